"""Search for cells on images, and resume where a search was stopped.

Without arguments: a demonstration on scikit-learn's digits in a few minutes,
ending in a comparison and in the ImageNet networks made of the best cell.
"""

import argparse
import datetime
import os
import pathlib

from nasnet_keras.cli.arguments import check_least
from nasnet_keras.runs.interrupts import run_until_interrupted
from nasnet_keras.runs.optional import require
from nasnet_keras.search.names import COSTS, ORACLES, SPACES

EXTRA = ("matplotlib", "PIL", "sklearn", "tqdm")

# Children between two trainings of shared weights, unless told otherwise.
ROUND = 10
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
        "update_every": None,
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
        "--data",
        "--dataset",
        dest="dataset",
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
        choices=tuple(ORACLES),
        default="ppo",
        help="how to search",
    )
    search.add_argument(
        "--space",
        default="nasnet",
        help=f"one of {', '.join(SPACES)}, or your own as MODULE:NAME",
    )
    _optional(search, "--trials", int, "children to evaluate in all")
    search.add_argument(
        "--blocks", type=int, help="blocks in each cell, if not the space's own"
    )
    search.add_argument(
        "--also",
        type=_decision,
        action="append",
        metavar="NAME=VALUE,...",
        help="a setting of the children's recipe that is searched as well, "
        "such as learning_rate=0.05,0.1",
    )
    search.add_argument(
        "--enqueue",
        action="append",
        default=[],
        metavar="GENOTYPE",
        help="a cell of the space to evaluate first: a name or a JSON file",
    )
    search.add_argument(
        "--warm-start",
        type=pathlib.Path,
        metavar="RUN",
        help="learn from the trials of an earlier search first",
    )
    search.add_argument("--seed", type=int, default=0, help="of everything")
    oracle = parser.add_argument_group("oracles")
    _optional(
        oracle,
        "--update-every",
        int,
        "trials per update of the policy, in place of its setting's, and "
        f"children of a round of shared weights, in place of {ROUND}",
    )
    oracle.add_argument(
        "--population-size", type=int, default=20, help="of evolution"
    )
    oracle.add_argument(
        "--sample-size",
        type=int,
        default=5,
        help="of evolution: the best of so many becomes the parent",
    )
    reward = parser.add_argument_group("reward and limits")
    reward.add_argument(
        "--cost",
        choices=COSTS,
        help="what the reward weighs against the accuracy",
    )
    reward.add_argument("--target", type=float, help="of the cost, in its unit")
    reward.add_argument(
        "--max-parameters", type=int, help="of a child; none above is trained"
    )
    reward.add_argument(
        "--max-macs", type=int, help="multiply-adds of a child, likewise"
    )
    child = parser.add_argument_group("children")
    _optional(child, "--epochs", int, "of each child trained from scratch")
    _optional(child, "--cells-per-stack", int, "N of a child")
    _optional(child, "--filters", int, "F of a child")
    child.add_argument(
        "--batch-size", type=int, default=64, help="images per training step"
    )
    child.add_argument(
        "--learning-rate",
        type=float,
        help="the highest of a child trained from scratch (default: 0.1), or "
        "that of shared weights (default: 0.05)",
    )
    child.add_argument(
        "--augmentation",
        choices=("none", "cifar"),
        default="none",
        help="of their training images",
    )
    child.add_argument(
        "--evaluator",
        choices=("scratch", "shared"),
        default="scratch",
        help="train each child from scratch, or all as one network that "
        "shares its weights among them",
    )
    child.add_argument(
        "--stop-early",
        action="store_true",
        help="stop a child that is worse than the median of those before it",
    )
    child.add_argument(
        "--trials-per-process",
        type=int,
        default=10,
        help="children trained from scratch before their process is replaced; "
        "0 trains them in the search's own",
    )
    shared = parser.add_argument_group("shared weights")
    shared.add_argument(
        "--warm-up-steps",
        type=int,
        default=2000,
        help="training steps on random cells before the first child",
    )
    shared.add_argument(
        "--round-steps",
        type=int,
        default=60,
        help="training steps on proposed cells after each round of children",
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


def _decision(text):
    """Reads `learning_rate=0.05,0.1`: a name and its options."""
    name, _, options = text.partition("=")
    if not name or not options:
        raise argparse.ArgumentTypeError(
            f"must be NAME=VALUE,VALUE. Received: {text!r}"
        )
    return name.replace("-", "_"), [_value(part) for part in options.split(",")]


def _value(text):
    """The number or the truth value that a text is, or the text."""
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


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
    args.demonstration = _is_demonstration(args)
    defaults = DEFAULTS.get(args.dataset, DEFAULTS["cifar10"])
    for key, value in defaults.items():
        if not hasattr(args, key):
            setattr(args, key, value)
    if args.compare is None:
        args.compare = args.dataset == "digits"
    _check(args)
    require("The search", EXTRA, "search")
    if args.directory is None:
        now = datetime.datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
        args.directory = pathlib.Path("runs", now)
    # The search's process and that of its children share a GPU's memory.
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    from nasnet_keras.runs.folder import run_folder

    def search():
        from nasnet_keras.search.commands.session import Session

        Session(args).run()

    with run_folder(args.directory, "config.json", "search"):
        return run_until_interrupted(
            search,
            "Every finished trial is kept: the same command with --directory "
            f"{args.directory} goes on.",
        )


def _is_demonstration(args):
    """Whether nothing was asked for that a command to go on must repeat."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    given, defaults = vars(args), vars(parser.parse_args([]))
    names = defaults.keys() | DEFAULTS["digits"].keys()
    names -= {"directory", "trials", "compare"}
    return all(given.get(name) == defaults.get(name) for name in names)


def _check(args):
    least = {
        "trials": 1,
        "epochs": 1,
        "filters": 1,
        "cells_per_stack": 1,
        "batch_size": 1,
        "trials_per_process": 0,
        "warm_up_steps": 0,
        "round_steps": 1,
    }
    for name in ("blocks", "max_parameters", "max_macs"):
        if getattr(args, name) is not None:
            least[name] = 1
    if args.update_every is not None:
        least["update_every"] = 2
    check_least(args, least)
    if args.stop_early and args.evaluator == "shared":
        raise ValueError(
            "--stop-early is for children trained from scratch: those that "
            "share their weights have no epochs."
        )
