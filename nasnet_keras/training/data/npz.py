"""Reads and writes datasets as `.npz` files, which every backend reads."""

import io

import numpy as np

from nasnet_keras.images.reading import (
    INTERPOLATION,
    check_crop,
    check_interpolation,
)
from nasnet_keras.training.data.splits import Parts

NPZ_KEYS = (
    "train_images",
    "train_labels",
    "test_images",
    "test_labels",
    "classes",
)
# Later versions write how image files were read, and a validation part that
# has a folder of its own.
VALIDATION_KEYS = ("validation_images", "validation_labels")
READING = {"crop": 1.0, "interpolation": INTERPOLATION}


def npz_bytes(dataset):
    """Returns a dataset as the content of an `.npz` file, for `read_npz`.

    Args:
        dataset: `Dataset` in memory.
    """
    file = io.BytesIO()
    own = dict(zip(VALIDATION_KEYS, dataset.validation))
    np.savez(
        file,
        train_images=dataset.train[0],
        train_labels=dataset.train[1],
        test_images=dataset.test[0],
        test_labels=dataset.test[1],
        classes=np.array(dataset.classes, dtype=str),
        crop=np.array(str(dataset.crop)),
        interpolation=np.array(dataset.interpolation),
        **(own if len(dataset.validation[1]) else {}),
    )
    return file.getbuffer()


def read_npz(path):
    """Reads a file that `nasnet convert-data` wrote.

    Args:
        path: Path of the `.npz` file, with the arrays of `NPZ_KEYS`.

    Returns:
        `Parts`.

    Raises:
        ValueError: If the file cannot be read, or an array is missing or has
            a wrong type, shape or value.
    """
    arrays = _read_arrays(path)
    classes = [str(name) for name in arrays["classes"]]
    parts = {}
    for part in ("train", "validation", "test"):
        if f"{part}_images" not in arrays:
            continue
        images, labels = arrays[f"{part}_images"], arrays[f"{part}_labels"]
        _check_images(path, part, images)
        _check_labels(path, part, labels, len(images), len(classes))
        parts[part] = (images, labels)
    return Parts(
        parts["train"],
        parts.get("validation"),
        parts["test"],
        classes,
        *_reading(path, arrays),
    )


def _reading(path, arrays):
    """Returns crop and interpolation, with which image files were read."""
    values = {key: str(arrays.get(key, READING[key])) for key in READING}
    try:
        crop = float(values["crop"])
    except ValueError:
        crop = values["crop"]
    try:
        return check_crop(crop), check_interpolation(values["interpolation"])
    except ValueError as error:
        raise ValueError(f"{path} cannot be read: {error}") from error


def _read_arrays(path):
    try:
        # NumPy leaves the files that it opens itself open if they are damaged.
        with open(path, "rb") as handle, np.load(handle) as file:
            missing = [key for key in NPZ_KEYS if key not in file.files]
            keys = (*NPZ_KEYS, *VALIDATION_KEYS, *READING)
            arrays = {key: file[key] for key in keys if key in file.files}
    except Exception as error:  # Damaged files raise many kinds of errors.
        raise ValueError(f"{path} cannot be read: {error}") from error
    if missing:
        raise ValueError(
            f"{path} has no {', '.join(missing)}. Write it with "
            "`nasnet convert-data`."
        )
    return arrays


def _check_images(path, part, images):
    square = images.ndim == 4 and images.shape[1] == images.shape[2]
    if images.dtype != np.uint8 or not square:
        raise ValueError(
            f"`{part}_images` of {path} must be uint8 of shape (number, side, "
            f"side, channels). Received: {images.dtype} {images.shape}"
        )


def _check_labels(path, part, labels, number, classes):
    integers = labels.shape == (number,) and labels.dtype.kind in "iu"
    if not integers or (labels < 0).any() or (labels >= classes).any():
        raise ValueError(
            f"`{part}_labels` of {path} must be integers of shape "
            f"({number},), from 0 to below {classes}, the number of its "
            f"`classes`. Received: {labels.dtype} {labels.shape}"
        )
