"""Image files of labelled folders, decoded at once or on access."""

import concurrent.futures
import hashlib
import os
import pathlib
from typing import Any

import numpy as np

from nasnet_keras.images.files import (
    find_images,
    image_size,
    load_image,
    loose_images,
    visible_folders,
)
from nasnet_keras.images.reading import CROP, INTERPOLATION, SQUASH
from nasnet_keras.runs.notices import first, notice
from nasnet_keras.training.data.folders import class_images

# Decoded images of more bytes than this are read lazily. A training holds them
# once, and little more (`benchmarks/feed_memory.py`).
MEMORY_LIMIT = 2 * 1024**3
# Of the median image, kept by a square: below this a line says so.
KEPT = 0.75
THREADS = os.cpu_count() or 1
SAMPLED = 500  # Images that tell how large a folder's are.


class ImageFiles:
    """Image files that are decoded on access.

    Indexed like an array: an integer gives an image, a slice or an array of
    integers gives the `ImageFiles` of a part.

    Args:
        root: Path of a folder.
        names: Sequence of paths, relative to `root`.
        side: Integer, the side of the decoded images in pixels.
        crop, interpolation: How they are read, see `nasnet_keras.images.files`.
    """

    def __init__(
        self, root, names, side, crop=1.0, interpolation=INTERPOLATION
    ):
        self.root = pathlib.Path(root)
        self.names = np.asarray(names, dtype=object)
        self.side = side
        self.crop = crop
        self.interpolation = interpolation

    def __len__(self):
        return len(self.names)

    @property
    def shape(self):
        """`(number, side, side, 3)`, the shape of an array of the images."""
        return (len(self), self.side, self.side, 3)

    @property
    def nbytes(self):
        """The bytes of an array of the images."""
        return int(np.prod(self.shape))

    def with_crop(self, crop):
        """Returns the same files, read with another crop."""
        return ImageFiles(
            self.root, self.names, self.side, crop, self.interpolation
        )

    def path(self, index):
        """Returns the path of an image."""
        return self.root / self.names[index]

    def __getitem__(self, index):
        if np.ndim(index) or isinstance(index, slice):
            names = self.names[index]
            return ImageFiles(
                self.root, names, self.side, self.crop, self.interpolation
            )
        return self.decode(self.path(index))

    def decode(self, source):
        """Returns an image as these are read, uint8 `(side, side, 3)`.

        Args:
            source: Path or binary file.

        Raises:
            ValueError: If the file cannot be read as an image.
        """
        how = (self.side, self.crop, self.interpolation)
        return load_image(source, *how).astype("uint8")

    def read(self):
        """Returns all images, a uint8 array `(number, side, side, 3)`."""
        images = np.empty(self.shape, "uint8")

        def fill(index):
            images[index] = self[index]

        with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
            for _ in pool.map(fill, range(len(self))):
                pass
        return images

    def sizes(self):
        """Returns width and height of each image, of which it reads the header.

        Raises:
            ValueError: If a file is no image that can be read.
        """
        paths = [self.path(index) for index in range(len(self))]
        with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
            sizes = list(pool.map(image_size, paths))
        return np.array(sizes, int).reshape(-1, 2)

    def fingerprint(self):
        """Returns bytes that identify these files.

        Computed from names and sizes, in order: reading the contents would
        take as long as an epoch.
        """
        sha = hashlib.sha256()
        for index, name in enumerate(self.names):
            size = self.path(index).stat().st_size
            # Names need not be valid UTF-8.
            sha.update(os.fsencode(f"{name}\0{size}\n"))
        return sha.digest()


def median_side(folder: str | os.PathLike[str]) -> int:
    """Returns the median shorter side of a folder's images, in pixels.

    Of some of them, spread over the folder: their headers are read.

    Args:
        folder: Path of a folder that holds images, in folders of any depth.

    Raises:
        ValueError: If there are no images, or one cannot be read.
    """
    names, _ = find_images(folder)
    if not names:
        raise ValueError(f"`data` must hold images. Received: {folder}")
    some = names[:: -(-len(names) // SAMPLED)]
    return int(np.median(ImageFiles("", some, 1).sizes().min(axis=1)))


def read_parts(images, in_memory, keep_files=()):
    """Reads the images of all parts, or leaves them to be decoded on access.

    Before that the headers of all files are read: an unreadable one is named
    at once.

    Args:
        images: Sequence of `ImageFiles`, one for each part.
        in_memory: Whether to decode all images; by default, whether they take
            at most `MEMORY_LIMIT` bytes.
        keep_files: Indices of parts that are decoded on access all the same.

    Returns:
        List of uint8 arrays or `ImageFiles`.

    Raises:
        ValueError: If a file cannot be read as an image.
    """
    _say_what_is_cut_off(images[0], np.concatenate([p.sizes() for p in images]))
    held = [i for i in range(len(images)) if i not in keep_files]
    if in_memory is None:
        in_memory = sum(images[i].nbytes for i in held) <= MEMORY_LIMIT
    return [
        part.read() if in_memory and i in held else part
        for i, part in enumerate(images)
    ]


def _say_what_is_cut_off(files, sizes):
    """Prints a line if the crop cuts off much of the median image."""
    if files.crop == SQUASH or not len(sizes):
        return
    kept = np.median(sizes.min(axis=1) / sizes.max(axis=1))
    if kept < KEPT:
        notice(
            f"{files.root}: the central square is {kept:.0%} of the median "
            "image. --crop squash (`crop='squash'`) takes whole images, made "
            "square."
        )


def read_named_folder(
    folder: str | os.PathLike[str],
    classes: Any,
    side: int,
    crop: float | str = CROP,
    interpolation: str = INTERPOLATION,
) -> tuple[ImageFiles, np.ndarray]:
    """Lists the images of folders that are named by the classes of a network.

    Unlike `load_dataset`, it takes labels from `classes`, not from the order
    of the folders, and allows that some classes have no images.

    Args:
        folder: Path of a folder with one folder of images per class.
        classes: Sequence of strings, the names of the folders by label.
        side: Integer, pixels.
        crop, interpolation: See `nasnet_keras.images.files`.

    Returns:
        `ImageFiles`, labels.

    Raises:
        ValueError: If a folder has another name, or there are no images.
    """
    folder = pathlib.Path(folder)
    if not folder.is_dir():
        raise ValueError(
            "`data` must be a folder with one folder of images per class. "
            f"Received: {folder}"
        )
    label_of = {name: label for label, name in enumerate(classes)}
    inner = visible_folders(folder)
    if unknown := [path.name for path in inner if path.name not in label_of]:
        raise ValueError(
            f"`data` {folder}: {len(unknown)} of {len(inner)} folders are "
            f"not named by a class of the network: {first(unknown)}. Its "
            f"classes are {first(classes)}."
        )
    names, places = class_images(folder, inner)
    labels = [label_of[inner[place].name] for place in places]
    if not names:
        raise ValueError(
            f"`data` {folder} holds no images in folders named by class "
            f"({first(classes)}). Found {len(inner)} such folders"
            f"{_beside(folder)}."
        )
    files = ImageFiles(folder, names, side, crop, interpolation)
    return files, np.array(labels, "int32")


def _beside(folder):
    images = loose_images(folder)
    return images and f" and {images} beside them; sort those"
