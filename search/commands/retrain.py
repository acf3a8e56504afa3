"""Train the best cells of a search for longer, and keep the best as a model.

Writes RUN/model.keras, which `nasnet predict`, `evaluate`, `train` and
`export` take as --model, and RUN/winner.json, its genotype. The same command
resumes a training that was stopped.
"""

import argparse
import os
import pathlib
import sys

from nasnet_keras import checks
from nasnet_keras.cli.arguments import (
    add_recipe_arguments,
    check_least,
    check_one,
    recipe_of,
)
from nasnet_keras.runs.interrupts import run_until_interrupted
from nasnet_keras.search.commands.flags import naming_flags
from nasnet_keras.search.commands.recorded import read_arguments
from nasnet_keras.search.names import SIZES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `nasnet retrain` to a parser."""
    parser.add_argument(
        "directory", type=pathlib.Path, metavar="RUN", help="a search's folder"
    )
    parser.add_argument(
        "--top", type=int, default=3, help="cells to train (default: 3)"
    )
    parser.add_argument(
        "--data",
        help="where the search's data are now (default: where they were)",
    )
    parser.add_argument(
        "--data-dir", help="where TensorFlow Datasets keeps its data"
    )
    parser.add_argument(
        "--space",
        metavar="MODULE:NAME",
        help="the search's space, if it is your own: code that a folder names "
        "is not run unless you name it too",
    )
    parser.add_argument(
        "--cells-per-stack", type=int, default=2, help="N (default: 2)"
    )
    parser.add_argument("--filters", type=int, help="F, the same for all cells")
    parser.add_argument(
        "--parameters",
        type=int,
        help="about the parameters of each network (default: those of "
        "NASNet-A's with 16 filters; after a search at equal filters, 16 "
        "filters)",
    )
    parser.add_argument(
        "--macs", type=int, help="about the multiply-adds of each network"
    )
    parser.add_argument("--seed", type=int, default=0, help="random seed")
    add_recipe_arguments(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Runs `nasnet retrain`; returns the exit status."""
    check_least(args, dict.fromkeys(("top", "cells_per_stack", *SIZES), 1))
    check_one(args, SIZES)
    if args.image_size is not None:
        raise ValueError(
            "--image-size is that of the search. Received: --image-size "
            f"{args.image_size}"
        )
    with naming_flags(args):
        checks.seed(args.seed)
        recipe = recipe_of(args)
    recorded = read_arguments(args.directory)
    recorded.space = _space_to_use(args, recorded)
    if args.data_dir is not None:
        recorded.data_dir = args.data_dir
    if args.data is not None:
        recorded.dataset = args.data
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    from nasnet_keras.runs.folder import LOG
    from nasnet_keras.runs.lock import FolderLock
    from nasnet_keras.runs.log import stderr_to_log

    with FolderLock(args.directory), stderr_to_log(args.directory / LOG):
        return run_until_interrupted(
            lambda: _retrain(args, recorded, recipe),
            "The same command resumes after the last finished epoch in "
            f"{args.directory}.",
        )


def _space_to_use(args, recorded):
    """Returns the space; its module must have been named by the user."""
    if args.space is not None:
        return args.space
    if ":" in str(recorded.space):
        raise ValueError(
            f"The search in {args.directory} has the space {recorded.space!r}, "
            "which is code. It is run only if you name it: --space "
            f"{recorded.space!r}"
        )
    return recorded.space


def _retrain(args, recorded, recipe):
    from nasnet_keras.search.commands.inputs import load_data, make_space
    from nasnet_keras.search.results import open_search
    from nasnet_keras.search.retraining import CARD, retrain

    results = open_search(args.directory, make_space(recorded))
    if os.path.isabs(recorded.dataset) and not os.path.exists(recorded.dataset):
        raise ValueError(
            f"The data of the search are no longer at {recorded.dataset}. Say "
            "where they are: --data PATH"
        )
    dataset = load_data(recorded, args.directory)
    _check_data(results, dataset)
    with naming_flags(args):
        retrain(
            results,
            dataset,
            recipe,
            args.top,
            args.cells_per_stack,
            args.filters,
            args.seed,
            verbose=1 if sys.stdout.isatty() else 2,
            parameters=args.parameters,
            macs=args.macs,
        )
    print("\n" + (args.directory / CARD).read_text())


def _check_data(results, dataset):
    expected = results.configuration["data"]["sha256"]
    if dataset.digest != expected:
        raise ValueError(
            f"The search in {results.folder} used other data (SHA-256 "
            f"{expected[:12]}...). Give it by --data. Received: "
            f"{dataset.name}, {dataset.digest[:12]}..."
        )
