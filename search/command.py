"""Search for cells on images, and resume where a search was stopped.

Without arguments: a demonstration on scikit-learn's digits in a few minutes,
ending in a comparison and in the ImageNet networks made of the best cell.
"""

import argparse
import datetime
import importlib.util
import pathlib
import sys

from nasnet_keras.arguments import check_least

EXTRA = ("matplotlib", "PIL", "sklearn", "tqdm")

# What a search takes unless told otherwise, by dataset; a folder's are those
# of CIFAR-10. The demonstration must fit into minutes on two cores.
DEFAULTS = {
    "digits": {
        "image_size": 8,
        "validation_split": 0.2,
        "trials": 6,
        "epochs": 2,
        "filters": 8,
        "cells_per_stack": 1,
        "update_every": 2,
    },
    "cifar10": {
        "image_size": None,
        "validation_split": 0.1,
        "trials": 500,
        "epochs": 20,
        "filters": 16,
        "cells_per_stack": 2,
        "update_every": 20,
    },
}


class HelpFormatter(
    argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter
):
    """Keeps the description's lines and shows defaults."""


def add_arguments(parser):
    """Adds the arguments of `nasnet search` to a parser."""
    data = parser.add_argument_group("data")
    data.add_argument(
        "--dataset",
        default="digits",
        help="digits, cifar10, or a folder with one folder of images per class",
    )
    data.add_argument(
        "--data-dir", help="where TensorFlow Datasets keeps CIFAR-10"
    )
    _optional(data, "--image-size", int, "side to which images are resized")
    _optional(data, "--validation-split", float, "share of the training images")
    data.add_argument(
        "--images", type=int, help="use only so many training images"
    )
    search = parser.add_argument_group("search")
    search.add_argument(
        "--oracle",
        choices=("ppo", "random"),
        default="ppo",
        help="how to search",
    )
    _optional(search, "--trials", int, "children to train in all")
    search.add_argument(
        "--blocks", type=int, default=5, help="blocks in each cell"
    )
    _optional(search, "--update-every", int, "trials per update of the policy")
    search.add_argument("--seed", type=int, default=0, help="of everything")
    child = parser.add_argument_group("children")
    _optional(child, "--epochs", int, "of training for each child")
    _optional(child, "--cells-per-stack", int, "N of a child")
    _optional(child, "--filters", int, "F of a child")
    child.add_argument(
        "--batch-size", type=int, default=64, help="images per training step"
    )
    output = parser.add_argument_group("output")
    output.add_argument(
        "--directory",
        type=pathlib.Path,
        metavar="RUN",
        help="folder of this search; a search stopped there is taken up again",
    )
    output.add_argument(
        "--compare",
        action=argparse.BooleanOptionalAction,
        help="afterwards, as many random trials, and the best cells and "
        "NASNet-A trained longer (default: with digits only)",
    )
    parser.set_defaults(run=run)


def _optional(group, name, kind, text):
    """Adds an argument whose default depends on the dataset."""
    key = name.removeprefix("--").replace("-", "_")
    values = "; ".join(
        f"{dataset}: {defaults[key] or 'its own'}"
        for dataset, defaults in DEFAULTS.items()
    )
    group.add_argument(
        name, type=kind, help=f"{text} ({values})", default=argparse.SUPPRESS
    )


def run(args):
    """Runs `nasnet search`; returns the exit status."""
    defaults = DEFAULTS.get(args.dataset, DEFAULTS["cifar10"])
    for key, value in defaults.items():
        if not hasattr(args, key):
            setattr(args, key, value)
    if args.compare is None:
        args.compare = args.dataset == "digits"
    _check(args)
    _check_installed()
    if args.directory is None:
        now = datetime.datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
        args.directory = pathlib.Path("runs", now)
    from nasnet_keras.run_folder import run_folder

    with run_folder(args.directory, "config.json", "search"):
        try:
            from nasnet_keras.search.session import Session

            Session(args).run()
        except KeyboardInterrupt:
            print(
                "\nStopped. Every finished trial is kept: the same command "
                f"with --directory {args.directory} goes on.",
                file=sys.stderr,
            )
            return 130
    return 0


def _check_installed():
    missing = [name for name in EXTRA if not importlib.util.find_spec(name)]
    if missing:
        raise ImportError(
            f"The search also needs {', '.join(missing)}: "
            "pip install 'nasnet-keras[search]'"
        )


def _check(args):
    least = {
        "trials": 1,
        "epochs": 1,
        "filters": 1,
        "cells_per_stack": 1,
        "blocks": 1,
        "batch_size": 1,
        "update_every": 2,
    }
    check_least(args, least)
