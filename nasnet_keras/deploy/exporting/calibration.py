"""The images that a quantized network is calibrated and compared with."""

import os
from typing import Any

import keras
import numpy as np

from nasnet_keras.images.files import SUFFIXES, find_images, load_image
from nasnet_keras.images.reading import CROP, INTERPOLATION, check_side
from nasnet_keras.model_files.contract import (
    NOTHING,
    PIXELS,
    Said,
    fields,
    pixel_range,
    square_images,
    stored,
)
from nasnet_keras.model_files.graph import (
    RANGES,
    input_shape,
    input_tensors,
)

# Images of a folder that are read, evenly spread over it.
NUMBER = 200
# Drawn where none are given, and their side where the network takes any.
DRAWN, SIDE = 8, 64
SQUARE = 8  # Pixels of one colour: the averages of single ones hardly differ.
# Resizing goes beyond the values of an image by up to this part of their range.
OVERSHOOT = 0.25
# Images of 0..1 begin below this: some pixel is all but black.
DARK = 0.02
SOURCE = "the model"  # In messages.


def calibration_images(
    model: keras.Model,
    given: Any,
    about: dict[str, Any],
    said: Said = NOTHING,
    image_size: int | None = None,
) -> np.ndarray:
    """Returns images as a model takes them.

    Args:
        model: `keras.Model`.
        given: Array of such images; path of a folder of image files; or
            `None` for random squares.
        about: Dictionary, what is stored with the model, see `model_files`.
        said: `Said`, the range of pixels, where the model does not say it.
        image_size: Optional integer, side in pixels of the images that are
            read or drawn. Defaults to what the model takes or was trained for.

    Returns:
        Array `(number, height, width, channels)` of the dtype that the model
        takes.

    Raises:
        ValueError: If they are of another shape or plainly of another range
            than the model takes; a folder holds no image or one that cannot
            be read; the range or the size is not known.
    """
    shape = input_shape(model)
    if shape is None or len(shape) != 4:
        raise ValueError(
            "`model` must take one batch of images. Received: a model that "
            f"takes {shape}"
        )
    is_folder = isinstance(given, (str, os.PathLike))
    known = _range(model, about, said, needed=is_folder)
    if image_size is not None:
        image_size = _checked_side(image_size, shape)
    if given is None:
        images = _drawn(shape, known, image_size)
    elif is_folder:
        images = _read(model, given, about, known, image_size)
    else:
        images = _given(given, shape, known, image_size)
    return _typed(model, images)


def evenly(count: int, most: int) -> np.ndarray:
    """Returns at most so many indices, evenly spread over `count` images.

    Those of a folder are in the order of their classes.
    """
    return np.linspace(0, count - 1, min(most, count)).astype(int)


def _range(model, about, said, needed):
    """One of `RANGES`; `None` if nobody says it and it is not needed."""
    shown = fields(model, about).get("input_range")
    if shown is None and said.input_range is None and not needed:
        return None
    return pixel_range(model, about, SOURCE, said)


def _checked_side(image_size, shape):
    side = check_side("image_size", image_size)
    if any(taken not in (None, side) for taken in shape[1:3]):
        raise ValueError(
            f"`image_size` (--image-size) must be what the model takes, {shape}"
            f". Leave it out. Received: image_size={image_size}"
        )
    return side


def _given(images, shape, known, image_size):
    images = np.asarray(images, "float32")
    same = all(a in (None, b) for a, b in zip(shape[1:], images.shape[1:]))
    if images.ndim != 4 or not len(images) or not same:
        raise ValueError(
            "`calibration` must be images of the shape that the model takes, "
            f"{shape}. Received: calibration of shape {images.shape}"
        )
    if image_size is not None:
        raise ValueError(
            "`image_size` is for images of a folder: those of an array have "
            f"their size. Leave it out. Received: image_size={image_size}"
        )
    least, most = float(images.min()), float(images.max())
    if known is not None and not _fits(least, most, known):
        raise ValueError(
            f"`calibration` must be images of {known}, which the model takes. "
            "Give them as the network will get them, or a folder of image "
            "files. Received: calibration with values from "
            f"{least:.4g} to {most:.4g}"
        )
    return images


def _fits(least, most, known):
    """Whether values are not plainly of another range than the known one."""
    if known == PIXELS and _within(least, most, "-1..1"):
        return False
    # Bright images, too, are above grey, but they do not begin just there.
    from_grey = known == "-1..1" and abs(least) < DARK
    if from_grey and _within(least, most, "0..1"):
        return False
    return _within(least, most, known)


def _within(least, most, name):
    """Whether values are in a range; NaN is in none."""
    low, high = RANGES[name]
    room = OVERSHOOT * (high - low)
    return low - room <= least and most <= high + room


def _typed(model, images):
    """As floating point numbers, or integers where the model takes them."""
    (tensor,) = keras.tree.flatten(input_tensors(model))
    if "int" in tensor.dtype:
        return np.rint(images).astype(tensor.dtype)
    return images.astype("float32")


def _drawn(shape, known, image_size):
    least, most = RANGES[known or "-1..1"]
    *sides, channels = [side or image_size or SIDE for side in shape[1:]]
    squares = [-(-side // SQUARE) for side in sides]
    rng = np.random.default_rng(0)
    images = rng.uniform(least, most, (DRAWN, *squares, channels))
    for axis, side in enumerate(sides, 1):
        images = images.repeat(SQUARE, axis).take(range(side), axis)
    return images.astype("float32")


def _read(model, folder, about, known, image_size):
    fixed, channels = square_images(model, SOURCE)
    reading = stored(about, SOURCE)
    side = image_size or fixed or reading["image_size"]
    if side is None:
        raise ValueError(
            "The model does not say for which size of images it was trained. "
            "Give `image_size` (--image-size). Received: "
            f"calibration={str(folder)!r}"
        )
    files, _ = find_images(folder)
    if not files:
        raise ValueError(
            f"`calibration`: the folder {folder} holds no image "
            f"({', '.join(SUFFIXES)})."
        )
    chosen = evenly(len(files), NUMBER)
    crop = CROP if reading["crop"] is None else reading["crop"]
    how = side, crop, reading["interpolation"] or INTERPOLATION, channels
    images = [load_image(files[number], *how) for number in chosen]
    least, most = RANGES[known]
    return np.stack(images) * ((most - least) / 255) + least
