"""Loads a dataset by name or path, in three parts."""

import dataclasses
import hashlib
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nasnet_keras import checks
from nasnet_keras.images.reading import (
    INTERPOLATION,
    check_crop,
    check_interpolation,
    check_side,
)
from nasnet_keras.runs.notices import notice
from nasnet_keras.training.data.folders import find_parts, list_classes
from nasnet_keras.training.data.image_files import ImageFiles, read_parts
from nasnet_keras.training.data.npz import read_npz
from nasnet_keras.training.data.older import older_split
from nasnet_keras.training.data.resize import resize_images
from nasnet_keras.training.data.sources import (
    CIFAR_CLASSES,
    read_cifar,
    read_digits,
)
from nasnet_keras.training.data.splits import Parts, complete
from nasnet_keras.training.data.tfrecords import STREAMED, open_records

DEFAULT_SIZES: dict[str | os.PathLike, int] = {
    "digits": 16,
    "cifar10": 32,
    "cifar100": 32,
    "imagenet2012": 224,
}
DEFAULT_FOLDER_SIZE = 64


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
        crop, interpolation: How image files are read to validate and test,
            see `nasnet_keras.images.files`: as new images are to be read.
        draw: Dictionary, the arguments of `load_dataset` that give the same
            parts of the same data: `validation_split`, `images` and, for runs
            that began with it, `older_draw`.
    """

    name: str
    classes: Sequence[str]
    train: tuple[Any, Any]
    validation: tuple[Any, Any]
    test: tuple[Any, Any]
    crop: float | str = 1.0
    interpolation: str = INTERPOLATION
    draw: Mapping[str, Any] = dataclasses.field(default_factory=dict)

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
    in_memory: bool | None = None,
    crop: float | str | None = None,
    interpolation: str | None = None,
    random_crops: bool = False,
    older_draw: int | None = None,
) -> Dataset:
    """Loads a dataset and splits it: always into the same parts.

    Args:
        name: `"digits"` (scikit-learn's 1,797 images, no download);
            `"cifar10"` or `"cifar100"` (TensorFlow Datasets; `keras.datasets`,
            in another order, where that is not installed); `"imagenet2012"`
            (TensorFlow Datasets, streamed); the path of an `.npz` file of
            `nasnet convert-data`; or the path of a folder with one folder of
            images per class, or with such folders `train`, `val` and `test`.
            A folder of one of these names is `./digits`, or a `pathlib.Path`.
            A fifth of digits, and of folders without `test`, is the test
            part; the others have their own. Images in deeper folders belong
            to the class above them.
        data_dir: Optional path, where TensorFlow Datasets keeps its data.
        image_size: Integer, the side to which images are resized, 1 to 8192
            pixels. Defaults to 16 (digits), 32 (CIFAR), 224 (ImageNet), 64
            (folders), the size of the images (`.npz`).
        validation_split: Float from 0 to below 1, the share of the training
            images to validate on, the same of each class (of ImageNet: the
            last of its training images). With 0.1, CIFAR's 50,000 are split
            45,000/5,000, as in the paper. Without effect on a folder with
            `val`, which is the validation part.
        images: Optional integer, the number of training images to use,
            validation included: the same share of either part, and of each
            class. No image moves from one part to the other.
        in_memory: Whether to hold a folder's images in memory; else they are
            decoded on access, with the same pixels. Defaults to whether they
            take at most 2 GiB.
        crop: How much of image files is kept, see `nasnet_keras.images.files`:
            above 0 and up to 1 (the default), or `"squash"`.
        interpolation: `"bicubic"` (the default) or `"bilinear"`, of image
            files.
        random_crops: Whether training crops the files at random (Inception's
            augmentation): training images are then decoded on access, unless
            `in_memory` is set, and read whole; `crop` is of the others.
        older_draw: Optional integer, a seed: draws the parts as version 0.1
            did at first, for runs that began then.

    Returns:
        A `Dataset`.

    Raises:
        ValueError: If an argument is out of range, a folder has too few
            classes or images, or a file cannot be read as an image.
    """
    split = checks.number("validation_split", validation_split, 0, below=1)
    size = _checked_size(image_size, name)
    _check_name(name)
    reading = _checked_reading(crop, interpolation)
    random_crops = checks.flag("random_crops", random_crops)
    if in_memory is not None:
        in_memory = checks.flag("in_memory", in_memory)
    draw = {"validation_split": split, "images": images}
    if older_draw is not None:
        draw["older_draw"] = checks.seed(older_draw, "older_draw")
    if name in STREAMED:
        *records, classes = open_records(
            name, data_dir, size, split, images, reading, older_draw is not None
        )
        if random_crops:
            records[0].crop = 1.0
        pairs = [(part, None) for part in records]
    else:
        parts = _read(name, data_dir, size, reading)
        if not is_cropped(name):
            reading = _own_reading(name, parts, crop, interpolation)
            if str(name).endswith(".npz") and image_size is None:
                size = parts.train[0].shape[1]
        if older_draw is None:
            parts = complete(parts, split, images)
        else:
            parts = older_split(parts, split, images, older_draw)
        pairs = _decoded(parts, name, size, in_memory, random_crops)
        classes = parts.classes
    train, validation, test = pairs
    return Dataset(
        dataset_name(name),
        tuple(classes),
        train,
        validation,
        test,
        crop=reading[0],
        interpolation=reading[1],
        draw=draw,
    )


def dataset_name(name: str | os.PathLike) -> str:
    """Returns the argument `name` of `load_dataset` as text: `./digits` too."""
    is_folder = isinstance(name, os.PathLike) and str(name) in DEFAULT_SIZES
    return f"./{name}" if is_folder else str(name)


def is_cropped(name: str | os.PathLike) -> bool:
    """Whether a dataset is read from image files: a folder, or streamed."""
    known = name in DEFAULT_SIZES and name not in STREAMED
    return not known and not str(name).endswith(".npz")


def _checked_reading(crop: Any, interpolation: Any) -> tuple[float | str, str]:
    """How image files are read, by default whole and bicubic."""
    crop = 1.0 if crop is None else check_crop(crop)
    if interpolation is None:
        return crop, INTERPOLATION
    return crop, check_interpolation(interpolation)


def _checked_size(image_size, name):
    if image_size is None:
        return DEFAULT_SIZES.get(name, DEFAULT_FOLDER_SIZE)
    return check_side("image_size", image_size)


def _check_name(name):
    if name in DEFAULT_SIZES:
        if pathlib.Path(name).exists():
            notice(
                f"{name}: the dataset of that name, not the folder or file "
                f"here. Give ./{name} for that."
            )
        return
    is_file = str(name).endswith(".npz")
    if not str(name).strip() or not (is_file or pathlib.Path(name).is_dir()):
        raise ValueError(
            "`data` must be 'digits', 'cifar10', 'cifar100', "
            "'imagenet2012', an .npz file of `nasnet convert-data`, or a "
            f"folder with one folder of images per class. Received: {name!s}"
            f"{'' if str(name).strip() else repr(name)}"
        )


def _own_reading(name, parts, crop, interpolation):
    """How the images of arrays were read; refuses another wish."""
    own = (parts.crop, parts.interpolation)
    if crop not in (None, own[0]) or interpolation not in (None, own[1]):
        raise ValueError(
            "`crop` and `interpolation` are for image files. Those of "
            f"{name} were read with crop {own[0]} and {own[1]} interpolation. "
            f"Received: crop={crop}, interpolation={interpolation}"
        )
    return own


def _read(name, data_dir, size, reading):
    """Returns `Parts`, not yet split; those of folders are `ImageFiles`."""
    if name in CIFAR_CLASSES:
        return read_cifar(name, data_dir)
    if str(name).endswith(".npz"):
        return read_npz(name)
    if name == "digits":
        return read_digits()
    folder = pathlib.Path(name)
    folders = find_parts(folder) or {"train": folder}
    found = {part: list_classes(path) for part, path in folders.items()}
    classes = _common_classes(folders, found)
    pairs = {
        part: (ImageFiles(folders[part], names, size, *reading), np.array(y))
        for part, (_, names, y) in found.items()
    }
    return Parts(
        *(pairs.get(part) for part in ("train", "validation", "test")),
        classes,
        *reading,
    )


def _common_classes(folders, found):
    """Returns the class names, which must be those of all parts."""
    classes = found["train"][0]
    for part, (names, _, _) in found.items():
        if names != classes:
            differing = sorted(set(names) ^ set(classes))
            raise ValueError(
                f"{folders['train']} and {folders[part]} must have the same "
                f"classes. Only in one of them: {', '.join(differing)}"
            )
    return classes


def _decoded(parts, name, size, in_memory, random_crops):
    """Returns the three pairs, of images that are decoded or resized."""
    pairs = parts[:3]
    images = [part[0] for part in pairs]
    if is_cropped(name):
        if random_crops:
            images[0] = images[0].with_crop(1.0)
        keep_files = (0,) if random_crops and in_memory is None else ()
        images = read_parts(images, in_memory, keep_files)
    else:
        images = [_resized(part, size) for part in images]
    return list(zip(images, (part[1].astype("int32") for part in pairs)))


def _resized(images, size):
    try:
        return resize_images(images, size)
    except MemoryError as error:
        raise ValueError(
            f"`image_size` is too large for this machine's memory: {error}. "
            f"Received: image_size={size} for {len(images):,} images"
        ) from error
