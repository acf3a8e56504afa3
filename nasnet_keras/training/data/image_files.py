"""Folders with one folder of images per class, read at once or lazily."""

import hashlib
import pathlib

import numpy as np

from nasnet_keras.images.files import image_files, load_image

IMAGE_SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png")
# Decoded images of more bytes than this are read lazily.
MEMORY_LIMIT = 2 * 1024**3
MIN_IMAGES = 4  # Of a class: some to train, validate and test.


class ImageFiles:
    """Image files that are decoded on access.

    Indexed like an array: an integer gives an image, a slice or an array of
    integers gives the `ImageFiles` of a part.

    Args:
        root: Path of a folder.
        names: Sequence of paths, relative to `root`.
        side: Integer, the side of the decoded images in pixels.
    """

    def __init__(self, root, names, side):
        self.root = pathlib.Path(root)
        self.names = np.asarray(names, dtype=object)
        self.side = side

    def __len__(self):
        return len(self.names)

    @property
    def shape(self):
        """`(number, side, side, 3)`, the shape of an array of the images."""
        return (len(self), self.side, self.side, 3)

    def path(self, index):
        """Returns the path of an image."""
        return self.root / self.names[index]

    def __getitem__(self, index):
        if np.ndim(index) or isinstance(index, slice):
            return ImageFiles(self.root, self.names[index], self.side)
        return self.load(index, self.side)

    def load(self, index, side, crop=1.0):
        """Returns the centre crop of an image, uint8 `(side, side, 3)`.

        Args:
            index: Integer.
            side: Integer, pixels.
            crop: Float, the fraction of the shorter side that is kept.

        Raises:
            ValueError: If the file cannot be read as an image.
        """
        return load_image(self.path(index), side, crop).astype("uint8")

    def fingerprint(self):
        """Returns bytes that identify these files.

        Computed from names and sizes, in order: reading the contents would
        take as long as an epoch.
        """
        sha = hashlib.sha256()
        for index, name in enumerate(self.names):
            sha.update(f"{name}\0{self.path(index).stat().st_size}\n".encode())
        return sha.digest()


def read_folder(folder, side, in_memory=None):
    """Reads a folder with one folder of images per class.

    Args:
        folder: Path.
        side: Integer, pixels.
        in_memory: Whether to decode all images at once, resized to squares
            whatever their proportions; else they are decoded on access and
            keep their proportions. Defaults to whether they take at most
            `MEMORY_LIMIT` bytes.

    Returns:
        Images (uint8 array or `ImageFiles`), labels, class names.

    Raises:
        ValueError: If the folder has fewer than two classes, a class fewer
            than `MIN_IMAGES` images, or a file cannot be read as an image.
    """
    folder = pathlib.Path(folder)
    classes, names, labels = list_classes(folder)
    if in_memory is None:
        in_memory = len(names) * side * side * 3 <= MEMORY_LIMIT
    if in_memory:
        images = np.stack([_load_square(folder / name, side) for name in names])
    else:
        images = ImageFiles(folder, names, side)
    return images, np.array(labels), classes


def list_classes(folder):
    """Returns the class names, and names and labels of all images.

    Names of images are relative to `folder`.
    """
    if not folder.is_dir():
        raise ValueError(
            "`dataset` must be 'digits', 'cifar10', 'cifar100', "
            "'imagenet2012', an .npz file of `nasnet convert-data`, or a "
            f"folder with one folder of images per class. Received: {folder}"
        )
    paths = _visible_folders(folder)
    if len(paths) < 2:
        raise ValueError(
            f"{folder} must have a folder of images for each of at least two "
            f"classes. Found: {[p.name for p in paths]}"
        )
    names, labels = [], []
    for label, path in enumerate(paths):
        files = _image_files(path)
        names += [f"{path.name}/{file.name}" for file in files]
        labels += [label] * len(files)
    return [p.name for p in paths], names, labels


def _image_files(folder):
    files = sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in IMAGE_SUFFIXES
    )
    if len(files) < MIN_IMAGES:
        inner = [path.name for path in folder.iterdir() if path.is_dir()]
        hint = f" It has folders: {inner}; give {folder}." if inner else ""
        raise ValueError(
            f"The class folder {folder} holds {len(files)} images "
            f"({', '.join(IMAGE_SUFFIXES)}); at least {MIN_IMAGES} are needed "
            f"to train, validate and test.{hint}"
        )
    return files


def read_named_folder(folder, classes, side):
    """Lists the images of folders that are named by the classes of a network.

    Unlike `read_folder`, it takes labels from `classes`, not from the order
    of the folders, and allows that some classes have no images.

    Args:
        folder: Path of a folder with one folder of images per class.
        classes: Sequence of strings, the names of the folders by label.
        side: Integer, pixels.

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
    inner = _visible_folders(folder)
    if unknown := [path.name for path in inner if path.name not in label_of]:
        raise ValueError(
            f"`data` {folder}: {len(unknown)} of {len(inner)} folders are "
            f"not named by a class of the network: {_first(unknown)}. Its "
            f"classes are {_first(classes)}."
        )
    names, labels = [], []
    for path in inner:
        files = image_files(path)
        names += [f"{path.name}/{file.name}" for file in files]
        labels += [label_of[path.name]] * len(files)
    if not names:
        raise ValueError(
            f"`data` {folder} holds no images in folders named by class "
            f"({_first(classes)}). Found {len(inner)} such folders"
            f"{_images_beside(folder)}."
        )
    return ImageFiles(folder, names, side), np.array(labels, "int32")


def _visible_folders(folder):
    return sorted(
        path
        for path in folder.iterdir()
        if path.is_dir() and not path.name.startswith(".")
    )


def _images_beside(folder):
    files = image_files(folder)
    return f" and {len(files)} images beside them; sort those" if files else ""


def _first(names):
    """Returns the first three names, as text."""
    names = list(names)
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def _load_square(file, side):
    import keras

    try:
        image = keras.utils.load_img(
            file, target_size=(side, side), interpolation="bilinear"
        )
    except (OSError, ValueError, SyntaxError) as error:
        raise ValueError(
            f"{file} cannot be read as an image: {error}"
        ) from error
    return np.asarray(image, "uint8")
