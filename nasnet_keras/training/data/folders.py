"""Which images a folder holds: of which class, and in which part.

A folder has one folder of images per class; or it has folders `train`, `val`
and `test` of that kind. What is not used is said on standard error.
"""

import os
import pathlib
from collections.abc import Sequence

from nasnet_keras.images.files import (
    SUFFIXES,
    describe_unused,
    find_images,
    loose_images,
    visible_folders,
)
from nasnet_keras.runs.notices import notice

# The names of the folders of each part, in any case of letters.
PART_FOLDERS = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
# Lines about files that are not used; more are summed up.
MOST_LINES = 10


def find_parts(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    """Returns the folders `train`, `validation` and `test` of a folder.

    A class may be named so too: that is a single folder among others that
    holds images itself, not in folders.

    Args:
        folder: Path.

    Returns:
        Dictionary, part -> path: empty if it has class folders; else `train`
        and those of the others that there are.

    Raises:
        ValueError: If it is not clear which folders are parts and which are
            classes.
    """
    inner = visible_folders(folder)
    named = [path for path in inner if _part_of(path)]
    others = [path.name for path in inner if path not in named]
    flat = [path.name for path in named if not visible_folders(path)]
    if len(named) == len(flat) == 1 and others:
        notice(f"{folder}: {flat[0]} holds images itself and is a class")
        return {}
    if flat:
        raise ValueError(
            f"{folder}: {', '.join(flat)} must hold a folder of images for "
            "each class. Sort the images, or give a folder that has them."
        )
    parts = {_part_of(path): path for path in named}
    if named:
        _check_parts(folder, parts, named, others)
        if line := _images_beside(folder):
            notice(line)
    return parts


def _images_beside(folder):
    """A line about images in a folder itself, which are not used."""
    images = loose_images(folder)
    return images and f"{folder}: {images} beside its folders not used"


def has_test_part(folder: str | os.PathLike[str]) -> bool:
    """Whether a folder holds folders to train on and to test on."""
    if not os.path.isdir(folder):
        return False
    parts = {_part_of(path) for path in visible_folders(folder)}
    return parts >= {"train", "test"}


def _part_of(path):
    for part, names in PART_FOLDERS.items():
        if path.name.lower() in names:
            return part
    return None


def _check_parts(folder, parts, named, others):
    names = ", ".join(path.name for path in named)
    if len(parts) < len(named):
        raise ValueError(
            f"{folder} must have one folder for each part. Found: {names}"
        )
    if "train" not in parts:
        raise ValueError(
            f"{folder} has {names}, but no folder `train` to train on. Give "
            "one of them by its own path to split it."
        )
    if others and len(parts) == 1:
        raise ValueError(
            f"{folder} has {names} beside other folders "
            f"({', '.join(others[:3])}): are these classes? Give "
            f"{parts['train']} to use it alone."
        )
    if others:
        notice(f"{folder}: not used beside {names}: {', '.join(others)}")


def list_classes(
    folder: str | os.PathLike[str],
) -> tuple[list[str], list[str], list[int]]:
    """Lists the images of a folder with one folder of images per class.

    Args:
        folder: Path.

    Returns:
        Class names; the images' paths, relative to `folder`; their labels.

    Raises:
        ValueError: If there are fewer than two classes, or one has no image.
    """
    folder = pathlib.Path(folder)
    classes = visible_folders(folder)
    if len(classes) < 2:
        raise ValueError(
            f"{folder} must have a folder of images for each of at least two "
            f"classes. Found: {[p.name for p in classes]}"
        )
    names, labels = class_images(folder, classes)
    if empty := set(range(len(classes))) - set(labels):
        raise ValueError(
            f"The class folder {classes[min(empty)]} holds 0 images "
            f"({', '.join(SUFFIXES)}). Add some, or remove it."
        )
    return [path.name for path in classes], names, labels


def class_images(
    folder: pathlib.Path, classes: Sequence[pathlib.Path]
) -> tuple[list[str], list[int]]:
    """Lists the images of class folders; says which files are not used.

    Args:
        folder: Path.
        classes: Sequence of paths of folders in `folder`.

    Returns:
        The images' paths, relative to `folder`, and indices of `classes`.
    """
    names, labels, lines = [], [], []
    for label, path in enumerate(classes):
        images, others = find_images(path)
        names += [image.relative_to(folder).as_posix() for image in images]
        labels += [label] * len(images)
        if others:
            lines.append(describe_unused(path.name, others))
    if line := _images_beside(folder):
        lines.append(line)
    for line in lines[:MOST_LINES]:
        notice(line)
    if len(lines) > MOST_LINES:
        notice(f"and files in {len(lines) - MOST_LINES} more folders")
    return names, labels
