"""ImageNet's preprocessing and class names.

`preprocess_input` and `decode_predictions` replace those of
`keras.applications.nasnet`. The class names come with the package; nothing is
downloaded.
"""

import functools
import importlib.resources
import json
from typing import Any

import numpy as np

CLASSES = 1000


def preprocess_input(x: Any, data_format: str | None = None) -> Any:
    """Scales pixels from 0..255 to -1..1, as the published weights expect.

    The result equals that of `keras.applications.nasnet.preprocess_input`.
    That function overwrites a floating-point NumPy array (and, on torch, a
    tensor); this one does not change its argument.

    Args:
        x: NumPy array or tensor of images with values from 0 to 255, of any
            shape.
        data_format: `None`, `"channels_last"` or `"channels_first"`. Has no
            effect: all channels are scaled alike.

    Returns:
        `x / 127.5 - 1`, of the type of `x`; of integers, of Keras' default
        float type.

    Raises:
        ValueError: If `data_format` has another value.
    """
    import keras

    if data_format not in (None, "channels_first", "channels_last"):
        raise ValueError(
            "`data_format` must be None, 'channels_first' or 'channels_last'. "
            f"Received: data_format={data_format!r}"
        )
    if not keras.backend.is_float_dtype(x.dtype):
        floatx = keras.config.floatx()
        if isinstance(x, np.ndarray):
            x = x.astype(floatx)
        else:
            x = keras.ops.cast(x, floatx)
    return x / 127.5 - 1.0


@functools.cache
def class_index() -> tuple[tuple[str, str], ...]:
    """Returns the classes in the order of a network's outputs.

    The file is the one that keras.applications downloads.

    Returns:
        Tuple of 1000 pairs of strings: WordNet id, name; the first is
        `("n01440764", "tench")`.
    """
    file = importlib.resources.files("nasnet_keras.images").joinpath(
        "imagenet_class_index.json"
    )
    classes = json.loads(file.read_text("utf-8"))
    return tuple(tuple(classes[str(number)]) for number in range(CLASSES))


def decode_predictions(
    preds: Any, top: int = 5
) -> list[list[tuple[str, str, float]]]:
    """Names the likeliest classes of each image.

    Arguments and result as of `keras.applications.nasnet.decode_predictions`.

    Args:
        preds: NumPy array or tensor `(samples, 1000)`, the outputs of a
            network with the classifier of ImageNet.
        top: Positive integer, how many classes to return for each image.

    Returns:
        List, for each image, of lists of tuples `(WordNet id, name, score)`,
        the highest score first.

    Raises:
        ValueError: If `preds` has another shape, or `top` is not positive.
    """
    import keras

    shape = tuple(np.shape(preds))
    if len(shape) != 2 or shape[1] != CLASSES:
        raise ValueError(
            "`decode_predictions` expects a batch of predictions (i.e. a 2D "
            "array of shape (samples, 1000)). "
            f"Received array with shape: {shape}"
        )
    if top < 1:
        raise ValueError(f"`top` must be at least 1. Received: top={top!r}")
    preds = keras.ops.convert_to_numpy(preds)
    return [
        [(*class_index()[i], pred[i]) for i in pred.argsort()[::-1][:top]]
        for pred in preds
    ]
