"""The stem's kernel, adapted to images that are not RGB."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from nasnet_keras.weights.accounts import NamedVariables, Values

if TYPE_CHECKING:
    import keras

logger = logging.getLogger("nasnet_keras")

# The first convolution, which reads the image; DARTS has three on ImageNet.
STEMS = ("stem_conv", "stem_0_conv")


def adapt_kernel(kernel: np.ndarray, channels: int) -> np.ndarray:
    """Adapts a kernel for RGB images to another number of channels.

    One channel: the sum over RGB, so that a grey image gives the same output
    as its RGB copy. Two or more: R, G, B, R, ..., scaled by 3 / channels, so
    that outputs keep their scale.

    Args:
        kernel: Array `(height, width, 3, filters)`.
        channels: Integer.

    Returns:
        Array `(height, width, channels, filters)`.
    """
    given = kernel.shape[2]
    if channels == 1:
        return kernel.sum(axis=2, keepdims=True)
    repeated = kernel[:, :, np.arange(channels) % given]
    return repeated * (given / channels)


def adapt_stem(kernel: np.ndarray, channels: int) -> np.ndarray:
    """Calls `adapt_kernel` and logs a warning."""
    logger.warning(
        "The stem's kernel is adapted from %d channels to %d.",
        kernel.shape[2],
        channels,
    )
    return adapt_kernel(kernel, channels)


def with_adapted_stem(
    model: keras.Model, variables: NamedVariables, values: Values
) -> tuple[Values, bool]:
    """Returns the values, the stem's kernel adapted to the model's channels.

    Returns:
        Pair: the values; whether the kernel had other channels.
    """
    (stem,) = (layer for layer in model.layers if layer.name in STEMS)
    (name,) = (name for variable, name in variables if variable is stem.kernel)
    kernel, channels = values.get(name), stem.kernel.shape[2]
    if kernel is None or kernel.ndim != 4 or kernel.shape[2] == channels:
        return values, False
    # In half precision the sum over channels would be rounded again.
    kernel = kernel.astype("float32")
    return {**values, name: adapt_stem(kernel, channels)}, True
