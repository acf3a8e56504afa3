"""Loads a dataset by name or path, in three parts."""

import dataclasses
import hashlib
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from nasnet_keras.training.data.image_files import read_folder
from nasnet_keras.training.data.npz import read_npz
from nasnet_keras.training.data.resize import resize_images
from nasnet_keras.training.data.sources import (
    CIFAR_CLASSES,
    read_cifar,
    read_digits,
)
from nasnet_keras.training.data.splits import random_subset, split_by_class
from nasnet_keras.training.data.tfrecords import STREAMED, open_records

TEST_SHARE = 0.2
TRAIN_TEST_FOLDERS = ("train", "test")
DEFAULT_SIZES: dict[str | os.PathLike, int] = {
    "digits": 16,
    "cifar10": 32,
    "cifar100": 32,
    "imagenet2012": 224,
}
DEFAULT_FOLDER_SIZE = 64
MIN_SIZE = 8


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Images and labels to train, validate and test on.

    A search never sees the test part.

    Args:
        name: String.
        classes: Sequence of class names, by label.
        train, validation, test: Pairs of images and integer labels
            `(number,)`. Images are a uint8 array `(number, side, side, 3)`;
            or `ImageFiles`, decoded on access; or `Records`, streamed with
            their labels (which are then `None` here). All have a length and a
            `shape`.
    """

    name: str
    classes: Sequence[str]
    train: tuple[Any, Any]
    validation: tuple[Any, Any]
    test: tuple[Any, Any]

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """`(height, width, channels)` of an image."""
        return self.train[0].shape[1:]

    @property
    def digest(self) -> str:
        """SHA-256 of all images and labels, in hexadecimal.

        Images that are not in memory are hashed by the names and sizes of
        their files; streamed ones by the version of the dataset and the number
        of images in each file.
        """
        sha = hashlib.sha256()
        for part in (self.train, self.validation, self.test):
            for values in part:
                if isinstance(values, np.ndarray):
                    sha.update(str(values.shape).encode())
                    sha.update(np.ascontiguousarray(values).data)
                elif values is not None:
                    sha.update(values.fingerprint())
        return sha.hexdigest()


def load_dataset(
    name: str | os.PathLike,
    data_dir: str | os.PathLike | None = None,
    image_size: int | None = None,
    validation_split: float = 0.1,
    images: int | None = None,
    seed: int = 0,
    in_memory: bool | None = None,
) -> Dataset:
    """Loads a dataset and splits it.

    Args:
        name: `"digits"` (scikit-learn's 1,797 images, no download);
            `"cifar10"` or `"cifar100"` (TensorFlow Datasets; `keras.datasets`,
            in another order, where that is not installed); `"imagenet2012"`
            (TensorFlow Datasets, streamed); the path of an `.npz` file of
            `nasnet convert-data`; or the path of a folder with one folder of
            images per class, or with two such folders, `train` and `test`.
            A fifth of digits, and of folders without `test`, is the test
            part; the others have their own.
        data_dir: Optional path, where TensorFlow Datasets keeps its data.
        image_size: Integer, the side to which images are resized. Defaults to
            16 (digits), 32 (CIFAR), 224 (ImageNet), 64 (folders), the size of
            the images (`.npz`).
        validation_split: Float from 0 to below 1, the share of the training
            images to validate on, the same of each class (of ImageNet: the
            last of its training images). With 0.1, CIFAR's 50,000 are split
            45,000/5,000, as in the paper.
        images: Optional integer, the number of training images to use (drawn
            with `seed`), validation included.
        seed: Integer. The same seed gives the same splits.
        in_memory: Whether to hold a folder's images in memory; else they are
            decoded on access. Defaults to whether they take at most 2 GiB.

    Returns:
        A `Dataset`.

    Raises:
        ValueError: If an argument is out of range, a folder has too few
            classes or images, or a file cannot be read as an image.
    """
    if not 0 <= validation_split < 1:
        raise ValueError(
            "`validation_split` must be from 0 to below 1. "
            f"Received: validation_split={validation_split}"
        )
    size = image_size or DEFAULT_SIZES.get(name, DEFAULT_FOLDER_SIZE)
    if size < MIN_SIZE:
        raise ValueError(
            f"`image_size` must be at least {MIN_SIZE}. "
            f"Received: image_size={size}"
        )
    if name in STREAMED:
        *parts, classes = open_records(
            name, data_dir, size, validation_split, images
        )
        train, validation, test = ((part, None) for part in parts)
        return Dataset(str(name), tuple(classes), train, validation, test)
    (x, y), test, classes = _read(name, data_dir, size, seed, in_memory)
    if str(name).endswith(".npz") and image_size is None:
        size = x.shape[1]
    if images is not None:
        x, y = random_subset(x, y, images, seed)
    train, validation = split_by_class(x, y, validation_split, seed)
    return Dataset(
        name=str(name),
        classes=tuple(classes),
        train=_resized(train, size),
        validation=_resized(validation, size),
        test=_resized(test, size),
    )


def _read(name, data_dir, size, seed, in_memory):
    """Returns training part, test part and class names."""
    if name in CIFAR_CLASSES:
        return read_cifar(name, data_dir)
    if str(name).endswith(".npz"):
        return read_npz(name)
    folder = pathlib.Path(name)
    if name == "digits":
        images, labels, classes = read_digits()
    elif all((folder / part).is_dir() for part in TRAIN_TEST_FOLDERS):
        return _read_train_and_test(folder, size, in_memory)
    else:
        images, labels, classes = read_folder(folder, size, in_memory)
    return *split_by_class(images, labels, TEST_SHARE, seed), classes


def _read_train_and_test(folder, size, in_memory):
    """Reads the folders `train` and `test`."""
    parts, names = [], []
    for part in TRAIN_TEST_FOLDERS:
        images, labels, classes = read_folder(folder / part, size, in_memory)
        parts.append((images, labels))
        names.append(classes)
    if names[0] != names[1]:
        differing = sorted(set(names[0]) ^ set(names[1]))
        raise ValueError(
            f"{folder / 'train'} and {folder / 'test'} must have the same "
            f"classes. Only in one of them: {', '.join(differing)}"
        )
    return *parts, names[0]


def _resized(part, size):
    images, labels = part
    if isinstance(images, np.ndarray):
        images = resize_images(images, size)
    return images, labels.astype("int32")
