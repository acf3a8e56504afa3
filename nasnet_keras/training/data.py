"""Labelled images as arrays, split three ways: digits, CIFAR-10, a folder."""

import dataclasses
import hashlib
import pathlib

import numpy as np

from nasnet_keras.training.resize import resize_images

IMAGE_SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png")
TEST_SHARE = 0.2
DEFAULT_SIZES = {"digits": 16, "cifar10": 32}
DEFAULT_FOLDER_SIZE = 64


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Images and labels; the test part is not for the search.

    Args:
        name: String.
        classes: Sequence of class names, by label.
        train, validation, test: Pairs: uint8 images
            `(number, side, side, 3)` and integer labels `(number,)`.
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
        """SHA-256 of all images and labels, in hexadecimal."""
        sha = hashlib.sha256()
        for part in (self.train, self.validation, self.test):
            for array in part:
                sha.update(str(array.shape).encode())
                sha.update(np.ascontiguousarray(array))
        return sha.hexdigest()


def load_dataset(
    name,
    data_dir=None,
    image_size=None,
    validation_split=0.1,
    images=None,
    seed=0,
):
    """Loads a dataset and splits it.

    Args:
        name: `"digits"` (scikit-learn's 1,797 images, nothing downloaded),
            `"cifar10"` (TensorFlow Datasets), or the path of a folder with
            one folder of images per class. Of digits and folders a fifth is
            the test part; CIFAR-10 has its own.
        data_dir: Optional path, where TensorFlow Datasets keeps its data.
        image_size: Integer, the side to which images are resized. Defaults to
            16 (digits), 32 (CIFAR-10), 64 (folders).
        validation_split: Float from 0 to below 1, the share of the training
            images to validate on.
        images: Optional integer: use only so many images of the training part
            (drawn with `seed`), validation included.
        seed: Integer, of the splits.

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
    if name == "digits":
        x, y, classes = _digits()
        training, test = _split(x, y, TEST_SHARE, seed)
    elif name == "cifar10":
        training, test, classes = _cifar10(data_dir)
    else:
        x, y, classes = _folder(pathlib.Path(name), size)
        training, test = _split(x, y, TEST_SHARE, seed)
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


def _digits():
    from sklearn.datasets import load_digits

    data = load_digits()
    gray = np.round(data.images * (255 / 16)).astype("uint8")
    rgb = np.repeat(gray[..., None], 3, axis=-1)
    return rgb, data.target, [str(name) for name in data.target_names]


def _cifar10(data_dir):
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise ValueError(
            "The dataset 'cifar10' is read with tensorflow and "
            f"tensorflow-datasets, which cannot be imported: {error}. Install "
            "them, or give a folder of images."
        ) from error
    splits, info = tfds.load(
        "cifar10", data_dir=data_dir, batch_size=-1, with_info=True
    )
    parts = [
        (np.asarray(splits[part]["image"]), np.asarray(splits[part]["label"]))
        for part in ("train", "test")
    ]
    return *parts, info.features["label"].names


def _folder(folder, size):
    if not folder.is_dir():
        raise ValueError(
            "`dataset` must be 'digits', 'cifar10' or a folder with one "
            f"folder of images per class. Received: {folder}"
        )
    classes = sorted(p for p in folder.iterdir() if _visible_folder(p))
    if len(classes) < 2:
        raise ValueError(
            f"{folder} must have a folder of images for each of at least two "
            f"classes. Found: {[p.name for p in classes]}"
        )
    images, labels = [], []
    for label, path in enumerate(classes):
        files = _image_files(path)
        images += [_read_image(file, size) for file in files]
        labels += [label] * len(files)
    return np.stack(images), np.array(labels), [p.name for p in classes]


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


def _read_image(file, size):
    import keras

    try:
        image = keras.utils.load_img(
            file, target_size=(size, size), interpolation="bilinear"
        )
    except (OSError, ValueError, SyntaxError) as error:
        raise ValueError(
            f"{file} cannot be read as an image: {error}"
        ) from error
    return np.asarray(image, "uint8")


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
    return resize_images(x, size), y.astype("int32")
