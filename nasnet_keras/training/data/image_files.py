"""Folders of images: one folder per class, read now or when asked for."""

import hashlib
import pathlib

import numpy as np

from nasnet_keras.images.files import load_image

IMAGE_SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png")
# Folders whose images would take more bytes stay on disk.
MEMORY_LIMIT = 2 * 1024**3


class ImageFiles:
    """Images on disk, that are decoded when they are asked for.

    It is indexed as an array is: by an integer for an image, by a slice or an
    array of integers for some of the files.

    Args:
        root: Path of the folder that all are in.
        names: Sequence of paths, relative to it.
        side: Integer, the side of the images that batches are made of.
    """

    def __init__(self, root, names, side):
        self.root = pathlib.Path(root)
        self.names = np.asarray(names, dtype=object)
        self.side = side

    def __len__(self):
        return len(self.names)

    @property
    def shape(self):
        """`(number, side, side, 3)`, as of an array with all of them."""
        return (len(self), self.side, self.side, 3)

    def path(self, index):
        """Returns the path of an image."""
        return self.root / self.names[index]

    def __getitem__(self, index):
        if np.ndim(index) or isinstance(index, slice):
            return ImageFiles(self.root, self.names[index], self.side)
        return self.load(index, self.side)

    def load(self, index, side, crop=1.0):
        """Returns an image as uint8 `(side, side, 3)`, its middle cut out.

        Args:
            index: Integer.
            side: Integer, pixels.
            crop: Float, the part of the shorter side that is kept.

        Raises:
            ValueError: If the file cannot be read as an image.
        """
        return load_image(self.path(index), side, crop).astype("uint8")

    def fingerprint(self):
        """Returns bytes that tell these files from others.

        They follow from names and sizes, in their order. Contents are not
        read: that would take as long as an epoch.
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
        in_memory: Whether to decode all images now, each squeezed into a
            square; if not, they are decoded when asked for, and keep their
            proportions. By default where they take at most `MEMORY_LIMIT`.

    Returns:
        Images (uint8 array or `ImageFiles`), labels, names of the classes.

    Raises:
        ValueError: If the folder holds no classes, a class no image, or a file
            cannot be read as an image.
    """
    folder = pathlib.Path(folder)
    classes, names, labels = list_classes(folder)
    if in_memory is None:
        in_memory = len(names) * side * side * 3 <= MEMORY_LIMIT
    if in_memory:
        images = np.stack([_squeezed(folder / name, side) for name in names])
    else:
        images = ImageFiles(folder, names, side)
    return images, np.array(labels), classes


def list_classes(folder):
    """Returns names of classes, and names and labels of all their images."""
    if not folder.is_dir():
        raise ValueError(
            "`dataset` must be 'digits', 'cifar10', 'cifar100', "
            "'imagenet2012', an .npz file of `nasnet convert-data`, or a "
            f"folder with one folder of images per class. Received: {folder}"
        )
    paths = sorted(p for p in folder.iterdir() if _visible_folder(p))
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


def _visible_folder(path):
    return path.is_dir() and not path.name.startswith(".")


def _image_files(folder):
    files = sorted(
        p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES
    )
    if len(files) < 4:
        inner = [p.name for p in folder.iterdir() if p.is_dir()]
        hint = f" It has folders: {inner}; give {folder}." if inner else ""
        raise ValueError(
            f"The class folder {folder} holds {len(files)} images "
            f"({', '.join(IMAGE_SUFFIXES)}); at least 4 are needed to train, "
            f"validate and test.{hint}"
        )
    return files


def _squeezed(file, side):
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
