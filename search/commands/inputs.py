"""The dataset and the space that `nasnet search` is given."""

import argparse
import pathlib

import numpy as np

from nasnet_keras.search.commands.defaults import (
    BATCH_SIZE,
    SIDE,
    SMALL_SIDE,
)
from nasnet_keras.search.commands.flags import about_flag, naming_flags
from nasnet_keras.search.commands.progress import print_result
from nasnet_keras.search.evaluators.children import choose_stem
from nasnet_keras.search.names import CONFIG
from nasnet_keras.search.spaces import SearchSpace, find_space
from nasnet_keras.training.data.dataset import Dataset, is_cropped
from nasnet_keras.training.data.image_files import median_side
from nasnet_keras.training.data.recorded import (
    load_as_recorded,
    recorded_digest,
)
from nasnet_keras.training.feeds.augmentation import steps_per_epoch


def load_data(
    args: argparse.Namespace, directory: pathlib.Path | None = None
) -> Dataset:
    """Loads the dataset and prints its size.

    Args:
        args: Arguments of `nasnet search`.
        directory: Optional path of the search's folder, by default that of
            the arguments. A search that was begun there goes on with its data.

    Raises:
        ValueError: If it is not in memory or has no validation images, or
            fewer images to train on than a batch has.
    """
    folder = pathlib.Path(args.directory if directory is None else directory)
    _choose_side(args, folder)
    dataset = load_as_recorded(
        recorded_digest(folder / CONFIG),
        args.seed,
        args.dataset,
        data_dir=args.data_dir,
        image_size=args.image_size,
        validation_split=args.validation_split,
        images=args.images,
        in_memory=True,
        # Arguments of earlier versions have none.
        crop=getattr(args, "crop", None),
    )
    if not isinstance(dataset.train[0], np.ndarray):
        raise ValueError(
            f"--dataset {args.dataset} is streamed; a search holds its "
            "images in memory. Give digits, cifar10, cifar100, a folder "
            "or an .npz file."
        )
    if not len(dataset.validation[1]):
        raise ValueError(
            "--validation-split must be above 0: the reward is the "
            "validation accuracy."
        )
    if args.batch_size is None:
        args.batch_size = min(BATCH_SIZE, len(dataset.train[1]))
    steps_per_epoch(len(dataset.train[1]), args.batch_size)
    _print_data(dataset)
    return dataset


def _choose_side(args, folder):
    """Sets the side of a folder's images if it was not given.

    Small ones are not enlarged: that costs time and adds nothing. A search
    that was begun goes on as it did.
    """
    if args.image_size is not None or (folder / CONFIG).is_file():
        return
    if is_cropped(args.dataset) and pathlib.Path(args.dataset).is_dir():
        side = median_side(args.dataset)
        args.image_size = SIDE if side >= SIDE else min(side, SMALL_SIDE)


def _print_data(dataset):
    parts = {
        "to train": dataset.train,
        "to validate": dataset.validation,
        "to test": dataset.test,
    }
    sizes = ", ".join(f"{len(part[1])} {use}" for use, part in parts.items())
    print_result(
        f"data      {dataset.name}: {len(dataset.classes)} classes, {sizes}"
    )
    side = dataset.input_shape[0]
    print_result(f"images    {side}x{side}: {choose_stem(side)} stem")


def make_space(args: argparse.Namespace) -> SearchSpace:
    """Returns the search space, with the searched settings."""
    with about_flag("--space"), naming_flags(args):
        space = find_space(args.space, args.blocks)
    with about_flag("--also"):
        return space.with_settings(**dict(args.also or ()))
