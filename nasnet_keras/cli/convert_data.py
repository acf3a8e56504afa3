"""Rewrite a dataset as one file that every backend reads.

SOURCE is any dataset of `nasnet train` that fits in memory. OUTPUT holds the
same images in the same order, so that it is split as SOURCE is. Training on it
needs no TensorFlow.
"""

import argparse
import pathlib
from typing import Any

from nasnet_keras.cli.arguments import add_crop_argument, check_least


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `nasnet convert-data`."""
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help="cifar10, cifar100, digits, or a folder with one folder of "
        "images per class, also in folders train, val and test",
    )
    parser.add_argument(
        "output", metavar="OUTPUT", type=pathlib.Path, help="an .npz file"
    )
    parser.add_argument(
        "--data-dir", help="where TensorFlow Datasets keeps its data"
    )
    parser.add_argument(
        "--image-size",
        type=int,
        help="side in pixels (default: 32 for CIFAR, 16 for digits, 64 for a "
        "folder)",
    )
    add_crop_argument(parser, "1")
    parser.add_argument("--force", action="store_true", help="overwrite OUTPUT")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Runs `nasnet convert-data`."""
    from nasnet_keras.runs.files import write_atomically
    from nasnet_keras.training.data.npz import npz_bytes

    check_least(args, {"image_size": 1})
    _check_output(args)
    dataset = _load(args)
    write_atomically(args.output, npz_bytes(dataset))
    side = dataset.input_shape[0]
    own = len(dataset.validation[1])
    print(
        f"{args.output}: {len(dataset.train[1]):,} images to train on and "
        f"{len(dataset.test[1]):,} to test, "
        + (f"{own:,} to validate, " if own else "")
        + f"{side}x{side}, "
        f"{len(dataset.classes)} classes"
    )


def _check_output(args: argparse.Namespace) -> None:
    if args.output.suffix != ".npz":
        raise ValueError(f"OUTPUT must end in .npz. Received: {args.output}")
    if args.output.exists() and not args.force:
        raise ValueError(
            f"OUTPUT {args.output} exists: remove it, or give --force."
        )


def _load(args: argparse.Namespace) -> Any:
    """The dataset, without a validation part."""
    import numpy as np

    from nasnet_keras.training.data import load_dataset
    from nasnet_keras.training.data.tfrecords import STREAMED

    if args.source in STREAMED:
        raise ValueError(
            f"SOURCE {args.source} does not fit in memory. Without TensorFlow, "
            "train on a folder with one folder of its images per class."
        )
    dataset = load_dataset(
        args.source,
        data_dir=args.data_dir,
        image_size=args.image_size,
        validation_split=0,
        crop=args.crop,
    )
    if not isinstance(dataset.train[0], np.ndarray):
        raise ValueError(
            f"SOURCE {args.source} does not fit in memory at --image-size "
            f"{dataset.input_shape[0]}. Give a smaller one, or train on the "
            "folder itself, which needs no TensorFlow."
        )
    return dataset
