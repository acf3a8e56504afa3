"""Train the best cells of a search for longer, and keep the best as a model.

Writes RUN/model.keras, which `nasnet predict`, `evaluate`, `train` and
`export` take as --model, and RUN/winner.json, its genotype. A training that
was stopped goes on with the same command.
"""

import argparse
import json
import os
import pathlib
import sys

from nasnet_keras.cli.arguments import (
    add_recipe_arguments,
    check_least,
    recipe_of,
)
from nasnet_keras.runs.interrupts import run_until_interrupted

ARGUMENTS = "arguments.json"


def add_arguments(parser):
    """Adds the arguments of `nasnet retrain` to a parser."""
    parser.add_argument(
        "directory", type=pathlib.Path, metavar="RUN", help="a search's folder"
    )
    parser.add_argument(
        "--top", type=int, default=3, help="cells to train (default: 3)"
    )
    parser.add_argument(
        "--data-dir", help="where TensorFlow Datasets keeps its data"
    )
    parser.add_argument(
        "--cells-per-stack", type=int, default=2, help="N (default: 2)"
    )
    parser.add_argument(
        "--filters", type=int, default=16, help="F (default: 16)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of everything")
    add_recipe_arguments(parser)
    parser.set_defaults(run=run)


def run(args):
    """Runs `nasnet retrain`."""
    check_least(args, {"top": 1, "cells_per_stack": 1, "filters": 1})
    if args.image_size is not None:
        raise ValueError(
            "--image-size is that of the search. Received: --image-size "
            f"{args.image_size}"
        )
    recipe = recipe_of(args)
    asked = read_arguments(args.directory)
    if args.data_dir is not None:
        asked.data_dir = args.data_dir
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    from nasnet_keras.runs.folder import LOG
    from nasnet_keras.runs.log import chatter_to

    with chatter_to(args.directory / LOG):
        return run_until_interrupted(
            lambda: _retrain(args, asked, recipe),
            "The same command goes on from the last whole epoch in "
            f"{args.directory}.",
        )


def _retrain(args, asked, recipe):
    from nasnet_keras.search.commands.session import Session
    from nasnet_keras.search.retraining import CARD, retrain
    from nasnet_keras.search.run import open_search

    session = Session(asked)
    session.load()
    found = open_search(args.directory, session.space)
    _check_data(found, session.dataset, args.directory)
    retrain(
        found,
        session.dataset,
        recipe,
        args.top,
        args.cells_per_stack,
        args.filters,
        args.seed,
        verbose=1 if sys.stdout.isatty() else 2,
    )
    print("\n" + (args.directory / CARD).read_text())


def write_arguments(args):
    """Keeps what a search was asked for: `nasnet retrain` needs its data."""
    from nasnet_keras.runs.files import write_atomically

    content = {k: v for k, v in vars(args).items() if k != "run"}
    text = json.dumps(content, indent=1, default=str) + "\n"
    write_atomically(args.directory / ARGUMENTS, text)


def read_arguments(directory):
    """Returns what the search in a folder was asked for.

    Raises:
        ValueError: If the folder holds no search.
    """
    path = directory / ARGUMENTS
    if not path.is_file():
        raise ValueError(
            f"{directory} is no folder of `nasnet search`: it has no "
            f"{ARGUMENTS}."
        )
    return argparse.Namespace(**json.loads(path.read_text()))


def _check_data(found, dataset, directory):
    known = found.configuration["data"]["sha256"]
    if dataset.digest != known:
        raise ValueError(
            f"The data of the search in {directory} were others (SHA-256 "
            f"{known[:12]}...). Received: {dataset.name}, "
            f"{dataset.digest[:12]}..."
        )
