"""Labelled images on which a network is measured."""

import dataclasses
import hashlib
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nasnet_keras.images.files import visible_folders
from nasnet_keras.images.imagenet import class_index
from nasnet_keras.images.reading import CROP, INTERPOLATION
from nasnet_keras.presets.registry import CIFAR10
from nasnet_keras.presets.types import Preset
from nasnet_keras.runs.notices import first
from nasnet_keras.training.data.dataset import (
    DEFAULT_SIZES,
    Dataset,
    is_cropped,
    load_dataset,
)
from nasnet_keras.training.data.folders import has_test_part
from nasnet_keras.training.data.image_files import read_named_folder
from nasnet_keras.training.data.tfrecords import (
    STREAMED,
    Records,
    open_test_records,
)


@dataclasses.dataclass(frozen=True)
class LabelledImages:
    """Images and labels of one split of a dataset.

    Args:
        name: String, the dataset.
        split: `"test"`, `"validation"` or `"all"`.
        images: uint8 array, `ImageFiles` or `Records`.
        labels: Integer array `(number,)`; `None` for `Records`.
        dataset: The `Dataset` that was split, if any.
        classes: Sequence of class names, by label.
        whole: Integer, the number of images of a folder of which these are a
            part, drawn here; `None` if nothing was left out.
    """

    name: str
    split: str
    images: Any
    labels: Any
    dataset: Dataset | None = None
    classes: Sequence[str] = ()
    whole: int | None = None

    def __len__(self) -> int:
        return len(self.images)

    @property
    def in_files(self) -> bool:
        """Whether images are decoded, and cropped, when they are read."""
        return not isinstance(self.images, np.ndarray)

    @property
    def digest(self) -> str:
        """SHA-256: of the dataset that was split, else of these images."""
        if self.dataset is not None:
            return self.dataset.digest
        sha = hashlib.sha256(self.images.fingerprint())
        if self.labels is not None:
            sha.update(self.labels.tobytes())
        return sha.hexdigest()

    def limited(self, limit: int | None) -> "LabelledImages":
        """Returns `limit` of the images, evenly spaced; of streams the first.

        `tfds` stores streams in random order, and folders are sorted by class:
        both give images of all classes.
        """
        images, labels = self.images, self.labels
        if limit is None or limit >= len(images):
            return self
        if isinstance(images, Records):
            images = images.first(limit)
        else:
            chosen = np.arange(limit) * len(images) // limit
            images, labels = images[chosen], labels[chosen]
        return dataclasses.replace(self, images=images, labels=labels)


def default_data(preset: Preset, recorded: Mapping[str, Any]) -> str:
    """Returns the data on which a network is measured by default.

    Those of its training, and CIFAR-10 for networks of its classes.

    Args:
        preset: `Preset`.
        recorded: The data of the training as stored with a model, or `{}`.

    Raises:
        ValueError: If the network does not say for which data it is.
    """
    if recorded.get("name"):
        return str(recorded["name"])
    if preset.class_names == CIFAR10:
        return "cifar10"
    hint = "a folder with one folder of images per class, or a dataset's name"
    if preset.class_names == "imagenet":
        hint = (
            "ImageNet's validation images, in folders named by WordNet id; or "
            "imagenet2012 as TensorFlow Datasets prepared it"
        )
    raise ValueError(
        f"{preset.name} does not say on which data to measure it. Give `data` "
        f"(--data): {hint}."
    )


def default_split(preset: Preset, data: str) -> str:
    """Returns the split on which a network is measured by default.

    `"all"` for a network of ImageNet and a folder, which nobody trains on
    here; `"test"` for all other networks and data, and for a folder that is
    already split into `train` and `test`.
    """
    imagenet = preset.class_names == "imagenet"
    folder = is_folder(data) and not has_test_part(data)
    return "all" if imagenet and folder else "test"


def is_folder(data: str) -> bool:
    """Whether `data` is the path of a folder, which need not exist."""
    return data not in DEFAULT_SIZES and not data.endswith(".npz")


def folder_classes(preset: Preset) -> Sequence[str] | None:
    """Returns the names of class folders by label: WordNet ids for ImageNet.

    `None` if the network does not name its classes.
    """
    if preset.class_names == "imagenet":
        return [wnid for wnid, _ in class_index()]
    return preset.class_names


def open_images(
    preset: Preset,
    data: str,
    split: str,
    side: int,
    data_dir: str | None = None,
    images: int | None = None,
    crop: float | str = CROP,
    interpolation: str = INTERPOLATION,
    **draw: Any,
) -> LabelledImages:
    """Opens the images on which a network is measured.

    Labels are those of the network: where it names its classes, the data may
    have them in another order, or some of them only.

    Args:
        preset: `Preset` of the network. Without class names it takes data of
            any, in the order of their names.
        data: See `load_dataset`. Folders are decoded on access.
        split: `"all"` for all images of a folder; `"test"` or `"validation"`
            for a part of `load_dataset(data)`.
        side: Integer, of the images in pixels.
        crop, interpolation: Of image files, see `nasnet_keras.images.files`.
        data_dir, images, draw: See `load_dataset`.

    Raises:
        ValueError: If the data cannot be read, or have other classes.
    """
    if split == "all":
        return _open_all(preset, data, side, images, (crop, interpolation))
    if data in STREAMED and split == "test":
        wnids = [wnid for wnid, _ in class_index()]
        _labels_of(preset, data, wnids)
        records = open_test_records(data, data_dir, side)
        return LabelledImages(data, split, records, None, classes=wnids)
    if is_cropped(data):
        draw.update(crop=crop, interpolation=interpolation)
    dataset = load_dataset(
        data,
        data_dir=data_dir,
        image_size=side,
        images=images,
        in_memory=False,  # Folders: read as `split="all"` reads them.
        **draw,
    )
    part, labels = getattr(dataset, split)
    numbers = _labels_of(preset, dataset.name, dataset.classes)
    if labels is not None:  # Streamed ones are those of ImageNet.
        labels = numbers[labels]
    if not len(part):
        raise ValueError(f"The {split} part of {dataset.name} is empty.")
    drawn = is_folder(data) and not (split == "test" and has_test_part(data))
    parts = (dataset.train, dataset.validation, dataset.test)
    return LabelledImages(
        *(dataset.name, split, part, labels, dataset),
        classes=folder_classes(preset) or dataset.classes,
        whole=sum(len(each[0]) for each in parts) if drawn else None,
    )


def _open_all(
    preset: Preset,
    data: str,
    side: int,
    images: int | None,
    reading: tuple[float | str, str],
) -> LabelledImages:
    """Opens all images of a folder."""
    if not is_folder(data):
        raise ValueError(
            "`split` must be 'test' or 'validation' unless `data` is a "
            f"folder. Received: split='all', data={data!r}"
        )
    if images is not None:
        raise ValueError(
            "`images` is for data that are split into training and test "
            "images; `limit` takes some of all images. "
            f"Received: images={images}, split='all'"
        )
    if has_test_part(data):
        raise ValueError(
            f"`data` {data} holds the folders train and test. Give one of "
            "them to measure all of its images."
        )
    classes = folder_classes(preset) or _folder_names(data)
    files, labels = read_named_folder(data, classes, side, *reading)
    return LabelledImages(data, "all", files, labels, classes=classes)


def _folder_names(data: str) -> list[str]:
    """The names of the class folders, in order: labels without names."""
    if not pathlib.Path(data).is_dir():
        return []  # `read_named_folder` says so.
    return [path.name for path in visible_folders(data)]


def _labels_of(preset: Preset, name: str, classes: Sequence[str]) -> np.ndarray:
    """The network's label of each class of the data.

    Raises:
        ValueError: If the network does not know a class.
    """
    names = folder_classes(preset)
    if names is None:
        return np.arange(len(classes))
    label_of = {each: label for label, each in enumerate(names)}
    if unknown := [each for each in classes if each not in label_of]:
        raise ValueError(
            f"{preset.name} knows the {len(names)} classes {first(names)}. "
            f"The classes of {name} are others: {first(unknown)}."
        )
    return np.array([label_of[each] for each in classes])
