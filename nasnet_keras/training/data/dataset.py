"""Labelled images, split three ways: in memory, in files, or streamed."""

import dataclasses
import hashlib
import pathlib

import numpy as np

from nasnet_keras.training.data.image_files import read_folder
from nasnet_keras.training.data.resize import resize_images
from nasnet_keras.training.data.sources import (
    CIFAR_CLASSES,
    read_cifar,
    read_digits,
    read_npz,
)
from nasnet_keras.training.data.tfrecords import STREAMED, open_records

TEST_SHARE = 0.2
PARTS = ("train", "test")
DEFAULT_SIZES = {
    "digits": 16,
    "cifar10": 32,
    "cifar100": 32,
    "imagenet2012": 224,
}
DEFAULT_FOLDER_SIZE = 64


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Images and labels; the test part is not for the search.

    Args:
        name: String.
        classes: Sequence of class names, by label.
        train, validation, test: Pairs of images and integer labels
            `(number,)`. Images are a uint8 array `(number, side, side, 3)`;
            or `ImageFiles`, decoded when asked for; or `Records`, streamed,
            whose labels (`None` here) come with them. All have a length and
            such a shape.
    """

    name: str
    classes: tuple
    train: tuple
    validation: tuple
    test: tuple

    @property
    def input_shape(self):
        """`(height, width, channels)` of an image."""
        return self.train[0].shape[1:]

    @property
    def digest(self):
        """SHA-256 of all images and labels, in hexadecimal.

        Of files that are not in memory: of their names and sizes. Of a
        streamed dataset: of its version and the lengths of its files.
        """
        sha = hashlib.sha256()
        for part in (self.train, self.validation, self.test):
            for values in part:
                if isinstance(values, np.ndarray):
                    sha.update(str(values.shape).encode())
                    sha.update(np.ascontiguousarray(values))
                elif values is not None:
                    sha.update(values.fingerprint())
        return sha.hexdigest()


def load_dataset(
    name,
    data_dir=None,
    image_size=None,
    validation_split=0.1,
    images=None,
    seed=0,
    in_memory=None,
):
    """Loads a dataset and splits it.

    Args:
        name: `"digits"` (scikit-learn's 1,797 images, nothing downloaded);
            `"cifar10"` or `"cifar100"` (TensorFlow Datasets; `keras.datasets`,
            in another order, where that is not installed); `"imagenet2012"`
            (TensorFlow Datasets, streamed); the path of an `.npz` file of
            `nasnet convert-data`; or the path of a folder with one folder of
            images per class, or with two folders of that kind, `train` and
            `test`. Of digits and of folders without `test` a fifth is the
            test part; the others have their own.
        data_dir: Optional path, where TensorFlow Datasets keeps its data.
        image_size: Integer, the side to which images are resized. Defaults to
            16 (digits), 32 (CIFAR), 224 (ImageNet), 64 (folders), that of the
            images (`.npz`).
        validation_split: Float from 0 to below 1, the share of the training
            images to validate on, of each class the same (of ImageNet: the
            last of its training images). With 0.1, CIFAR's 50,000 are split
            45,000/5,000, as in the paper.
        images: Optional integer: use only so many images of the training part
            (drawn with `seed`), validation included.
        seed: Integer, of the splits: the same seed, the same images.
        in_memory: Whether to hold a folder's images in memory; by default
            where they take at most 2 GiB. Others are decoded when they are
            asked for.

    Returns:
        A `Dataset`.

    Raises:
        ValueError: If an argument is out of range, a folder holds no classes,
            a class no image, or a file cannot be read as an image.
    """
    if not 0 <= validation_split < 1:
        raise ValueError(
            "`validation_split` must be from 0 to below 1. "
            f"Received: validation_split={validation_split}"
        )
    size = image_size or DEFAULT_SIZES.get(name, DEFAULT_FOLDER_SIZE)
    if size < 8:
        raise ValueError(
            f"`image_size` must be at least 8. Received: image_size={size}"
        )
    if name in STREAMED:
        *parts, classes = open_records(
            name, data_dir, size, validation_split, images
        )
        return Dataset(name, tuple(classes), *((part, None) for part in parts))
    training, test, classes = _read(name, data_dir, size, seed, in_memory)
    if str(name).endswith(".npz") and image_size is None:
        size = training[0].shape[1]
    if images is not None:
        training = _subset(*training, images, seed)
    train, validation = _split(*training, validation_split, seed)
    return Dataset(
        name=str(name),
        classes=tuple(classes),
        train=_resized(train, size),
        validation=_resized(validation, size),
        test=_resized(test, size),
    )


def _read(name, data_dir, size, seed, in_memory):
    """Training part, test part, names of the classes."""
    if name in CIFAR_CLASSES:
        return read_cifar(name, data_dir)
    if str(name).endswith(".npz"):
        return read_npz(name)
    folder = pathlib.Path(name)
    if name != "digits" and all((folder / part).is_dir() for part in PARTS):
        return _read_parts(folder, size, in_memory)
    if name == "digits":
        x, y, classes = read_digits()
    else:
        x, y, classes = read_folder(folder, size, in_memory)
    return *_split(x, y, TEST_SHARE, seed), classes


def _read_parts(folder, size, in_memory):
    """Of a folder that has one part to train on and one to test."""
    parts, names = [], []
    for part in PARTS:
        x, y, classes = read_folder(folder / part, size, in_memory)
        parts.append((x, y))
        names.append(classes)
    if names[0] != names[1]:
        differing = sorted(set(names[0]) ^ set(names[1]))
        raise ValueError(
            f"{folder / 'train'} and {folder / 'test'} must have the same "
            f"classes. Only in one of them: {', '.join(differing)}"
        )
    return *parts, names[0]


def _split(x, y, share, seed):
    """Splits by class into the rest and `share`, at least one per class."""
    if not share:
        return (x, y), (x[:0], y[:0])
    from sklearn.model_selection import train_test_split

    counts = np.bincount(y)
    held = max(round(share * len(y)), np.count_nonzero(counts))
    first, second = train_test_split(
        np.arange(len(y)), test_size=held, stratify=y, random_state=seed
    )
    return (x[first], y[first]), (x[second], y[second])


def _subset(x, y, images, seed):
    if not 0 < images <= len(y):
        raise ValueError(
            f"`images` must be from 1 to {len(y)}, the training images that "
            f"there are. Received: images={images}"
        )
    chosen = np.random.default_rng(seed).permutation(len(y))[:images]
    return x[chosen], y[chosen]


def _resized(part, size):
    x, y = part
    x = resize_images(x, size) if isinstance(x, np.ndarray) else x
    return x, y.astype("int32")
