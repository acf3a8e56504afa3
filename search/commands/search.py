"""Search for cells on images, and resume where a search was stopped.

Without arguments: a demonstration on scikit-learn's digits in a few minutes,
ending in a comparison and in the ImageNet networks made of the best cell.
"""

import argparse
import datetime
import os
import pathlib

from nasnet_keras import checks
from nasnet_keras.cli.arguments import check_least, check_one
from nasnet_keras.runs.interrupts import run_until_interrupted
from nasnet_keras.runs.optional import require
from nasnet_keras.search.commands.defaults import SCHEDULE, complete
from nasnet_keras.search.commands.engine import check_engine
from nasnet_keras.search.commands.flags import naming_flags
from nasnet_keras.search.commands.recorded import ARGUMENTS, read_arguments
from nasnet_keras.search.commands.search_arguments import (
    add_search_arguments,
    only_defaults,
)
from nasnet_keras.search.names import (
    CONFIG,
    EARLIER,
    JOURNAL,
    REWARD_IMAGES,
    SIZES,
)

PACKAGES = ("matplotlib", "PIL", "psutil", "sklearn", "tqdm")
MINIMUMS = {
    "image_size": 1,
    "images": 1,
    "trials": 1,
    "epochs": 1,
    "steps": 1,
    "filters": 1,
    "parameters": 1,
    "macs": 1,
    "reward_images": 1,
    "cells_per_stack": 1,
    "batch_size": 1,
    "workers": 1,
    "trials_per_process": 0,
    "warm_up_steps": 0,
    "round_steps": 1,
    "blocks": 1,
    "max_parameters": 1,
    "max_macs": 1,
    "update_every": 2,
}
# Limits of numbers, see `checks.number`. All images are held in memory.
NUMBERS: dict[str, dict[str, float]] = {
    "image_size": {"most": 1024},
    "validation_split": {"above": 0, "below": 1},
    "learning_rate": {"above": 0},
    "target": {"above": 0},
    "timeout": {"above": 0},
    "memory_per_worker": {"above": 0},
    "cpus_per_trial": {"above": 0},
    "gpus_per_trial": {"least": 0},
}


class HelpFormatter(
    argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter
):
    """Keeps the description's lines and shows defaults."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `nasnet search` to a parser."""
    add_search_arguments(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Runs `nasnet search`; returns the exit status."""
    _complete(args)
    _check(args)
    require("The search", PACKAGES, "search")
    if args.directory is None:
        now = datetime.datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
        args.directory = pathlib.Path("runs", now)
    # The processes of the search and of its children share a GPU's memory.
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    from nasnet_keras.runs.folder import run_folder

    def search():
        from nasnet_keras.search.commands.session import Session

        Session(args).run()

    begun = (JOURNAL, EARLIER)  # The files made before the configuration.
    with run_folder(args.directory, CONFIG, "search", begun):
        return run_until_interrupted(
            search,
            "Every finished trial is kept: the same command with --directory "
            f"{args.directory} resumes.",
        )


def _complete(args):
    """Sets the arguments that were not given."""
    args.demonstration = only_defaults(args)
    complete(args, _recorded(args.directory))
    if not hasattr(args, "reward_images"):
        args.reward_images = REWARD_IMAGES
    if args.compare is None:
        args.compare = args.dataset == "digits"


def _recorded(directory):
    """Returns the arguments of the search in a folder, if there is one."""
    if directory is None or not (directory / ARGUMENTS).is_file():
        return None
    try:
        return vars(read_arguments(directory))
    except ValueError:  # Damaged: written anew. The configuration is checked.
        return None


def _check(args):
    if not args.dataset:
        raise ValueError(
            "--data must be the name or the path of a dataset. Received: "
            f"{args.dataset!r}"
        )
    check_least(args, MINIMUMS)
    for group in (SIZES, SCHEDULE):
        check_one(args, group)
    with naming_flags(args):
        checks.seed(args.seed)
        checks.integer("population_size", args.population_size, 2)
        checks.integer("sample_size", args.sample_size, 1)
        for name, limits in NUMBERS.items():
            if getattr(args, name) is not None:
                checks.number(name, getattr(args, name), **limits)
    if (args.cost is None) != (args.target is None):
        raise ValueError(
            "--cost and --target go together. Received: "
            f"--cost {args.cost} --target {args.target}"
        )
    check_engine(args)
    if "KERASTUNER_ORACLE_IP" in os.environ:
        raise ValueError(
            "--engine must be local or ray. Received: KERASTUNER_ORACLE_IP. "
            "Unset it, or call search() in a script of your own."
        )
    if args.evaluator == "shared":
        for flag, given in (
            ("--stop-early", args.stop_early),
            ("--funnel", args.funnel),
        ):
            if given:
                raise ValueError(
                    f"{flag} is for children trained from scratch: with shared "
                    "weights they have no schedule of their own."
                )
