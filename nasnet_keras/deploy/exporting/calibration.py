"""The images that a quantized network is calibrated and compared with."""

import os
from typing import Any

import keras
import numpy as np

from nasnet_keras.images.files import SUFFIXES, find_images, load_image
from nasnet_keras.images.reading import CROP, INTERPOLATION
from nasnet_keras.model_files.contract import (
    NOTHING,
    pixel_range,
    square_images,
    stored,
)
from nasnet_keras.model_files.graph import (
    RANGES,
    input_range,
    input_shape,
    input_tensors,
)

# Images of a folder that are read, evenly spread over it.
NUMBER = 200
# Drawn where none are given, and their side where the network takes any.
DRAWN, SIDE = 8, 64
SQUARE = 8  # Pixels of one colour: the averages of single ones hardly differ.


def calibration_images(
    model: keras.Model, given: Any, about: dict[str, Any]
) -> np.ndarray:
    """Returns images as a model takes them.

    Args:
        model: `keras.Model`.
        given: Array of such images; path of a folder of image files; or
            `None` for random squares.
        about: Dictionary, what is stored with the model, see `model_files`.

    Returns:
        Array `(number, height, width, channels)` of the dtype that the model
        takes.

    Raises:
        ValueError: If they are of another shape than the model takes, or a
            folder holds no image or one that cannot be read.
    """
    shape = input_shape(model)
    if shape is None or len(shape) != 4:
        raise ValueError(
            "`model` must take one batch of images. Received: a model that "
            f"takes {shape}"
        )
    if given is None:
        images = _drawn(model, shape, about)
    elif isinstance(given, (str, os.PathLike)):
        images = _read(model, given, about)
    else:
        images = _given(given, shape)
    return _typed(model, images)


def evenly(count: int, most: int) -> np.ndarray:
    """Returns at most so many indices, evenly spread over `count` images.

    Those of a folder are in the order of their classes.
    """
    return np.linspace(0, count - 1, min(most, count)).astype(int)


def _given(images, shape):
    images = np.asarray(images, "float32")
    same = all(a in (None, b) for a, b in zip(shape[1:], images.shape[1:]))
    if images.ndim != 4 or not len(images) or not same:
        raise ValueError(
            "`calibration` must be images of the shape that the model takes, "
            f"{shape}. Received: calibration of shape {images.shape}"
        )
    return images


def _typed(model, images):
    """As floating point numbers, or integers where the model takes them."""
    (tensor,) = keras.tree.flatten(input_tensors(model))
    if "int" in tensor.dtype:
        return np.rint(images).astype(tensor.dtype)
    return images.astype("float32")


def _drawn(model, shape, about):
    said = about.get("input_range") or input_range(model)
    least, most = RANGES[said or "-1..1"]
    *sides, channels = [side or SIDE for side in shape[1:]]
    squares = [-(-side // SQUARE) for side in sides]
    rng = np.random.default_rng(0)
    images = rng.uniform(least, most, (DRAWN, *squares, channels))
    for axis, side in enumerate(sides, 1):
        images = images.repeat(SQUARE, axis).take(range(side), axis)
    return images.astype("float32")


def _read(model, folder, about):
    source = "the model"
    fixed, channels = square_images(model, source)
    known = stored(about, source)
    side = fixed or known["image_size"]
    if side is None:
        raise ValueError(
            "`calibration` must be an array of images: the model does not say "
            "for which size it was trained. Received: "
            f"calibration={str(folder)!r}"
        )
    files, _ = find_images(folder)
    if not files:
        raise ValueError(
            f"`calibration`: the folder {folder} holds no image "
            f"({', '.join(SUFFIXES)})."
        )
    chosen = evenly(len(files), NUMBER)
    crop = CROP if known["crop"] is None else known["crop"]
    how = side, crop, known["interpolation"] or INTERPOLATION, channels
    images = [load_image(files[number], *how) for number in chosen]
    least, most = RANGES[pixel_range(model, about, source, NOTHING)]
    return np.stack(images) * ((most - least) / 255) + least
