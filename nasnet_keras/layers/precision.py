"""One precision for a composite layer and the layers inside it."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras


@contextlib.contextmanager
def policy_of(layer: keras.Layer) -> Iterator[None]:
    """Layers made inside the block have the dtype policy of `layer`.

    A layer that is given none takes Keras' global policy, which is another
    one if `layer` was made with `dtype=...` or loaded from a file.

    Args:
        layer: The layer that makes others.

    Raises:
        ValueError: If the policy quantizes.
    """
    check_policy(layer.dtype_policy)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(layer.dtype_policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def check_policy(policy: Any) -> None:
    """Raises ValueError if a dtype policy quantizes."""
    if policy.quantization_mode is not None:
        raise ValueError(
            "`dtype` must be a policy of floating point numbers, such as "
            "'float32' or 'mixed_bfloat16': convolutions cannot be quantized. "
            f"Received: dtype={policy.name!r}"
        )
