"""Labelled images on which a network is measured."""

import dataclasses
import hashlib
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from nasnet_keras.images.imagenet import class_index
from nasnet_keras.presets.types import Preset
from nasnet_keras.training.data.dataset import (
    DEFAULT_SIZES,
    Dataset,
    load_dataset,
)
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
    """

    name: str
    split: str
    images: Any
    labels: Any
    dataset: Dataset | None = None

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
            stop = images.start + limit
            images = Records(
                images.builder, images.split, images.start, stop, images.side
            )
        else:
            chosen = np.arange(limit) * len(images) // limit
            images, labels = images[chosen], labels[chosen]
        return dataclasses.replace(self, images=images, labels=labels)


def default_split(preset: Preset, data: str) -> str:
    """Returns the split on which a preset is measured by default.

    `"all"` for a network of ImageNet and a folder, which nobody trains on
    here; `"test"` for all other networks and data, and for a folder that is
    already split into `train` and `test`.
    """
    folder = pathlib.Path(data)
    imagenet = preset.class_names == "imagenet"
    is_split = all((folder / part).is_dir() for part in ("train", "test"))
    return "all" if imagenet and is_folder(data) and not is_split else "test"


def is_folder(data: str) -> bool:
    """Whether `data` is the path of a folder, which need not exist."""
    return data not in DEFAULT_SIZES and not data.endswith(".npz")


def folder_classes(preset: Preset) -> Sequence[str]:
    """Returns the names of class folders by label: WordNet ids for ImageNet.

    Raises:
        ValueError: If the preset does not name its classes.
    """
    if preset.class_names is None:
        raise ValueError(
            f"The preset {preset.name!r} does not name its classes, so "
            "folders cannot be labelled by name. Save it with class names."
        )
    if preset.class_names == "imagenet":
        return [wnid for wnid, _ in class_index()]
    return preset.class_names


def open_images(
    preset: Preset,
    data: str,
    split: str,
    side: int,
    data_dir: str | None = None,
    validation_split: float = 0.1,
    images: int | None = None,
) -> LabelledImages:
    """Opens the images on which the network of a preset is measured.

    Args:
        preset: `Preset`, whose class names the data must have. A preset
            without names takes any data.
        data: See `load_dataset`.
        split: `"all"` for all images of a folder, labelled by
            `folder_classes(preset)`; `"test"` or `"validation"` for a part of
            `load_dataset(data)`.
        side: Integer, of the images in pixels.
        data_dir, validation_split, images: See `load_dataset`.

    Raises:
        ValueError: If the data cannot be read, or have other classes.
    """
    if split == "all":
        classes = folder_classes(preset)
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
        files, labels = read_named_folder(data, classes, side)
        return LabelledImages(data, split, files, labels)
    if data in STREAMED:
        _check_imagenet(preset, data)
        if split == "test":
            records = open_test_records(data, data_dir, side)
            return LabelledImages(data, split, records, None)
    dataset = load_dataset(
        data,
        data_dir=data_dir,
        image_size=side,
        validation_split=validation_split,
        images=images,
    )
    _check_names(preset, dataset)
    part, labels = getattr(dataset, split)
    if not len(part):
        raise ValueError(f"The {split} part of {dataset.name} is empty.")
    return LabelledImages(dataset.name, split, part, labels, dataset)


def _check_imagenet(preset: Preset, data: str) -> None:
    names = preset.class_names
    wnids = [wnid for wnid, _ in class_index()]
    if names not in (None, "imagenet") and list(names) != wnids:
        raise ValueError(
            f"{data} holds the classes of ImageNet; {preset.name!r} knows "
            f"others: {', '.join(names[:3])}, ... Give a folder of those."
        )


def _check_names(preset: Preset, dataset: Dataset) -> None:
    names = preset.class_names
    if names in (None, "imagenet") or list(names) == list(dataset.classes):
        return
    raise ValueError(
        f"The network knows {', '.join(names)}. The classes of "
        f"{dataset.name} are others: {', '.join(dataset.classes)}."
    )
