"""The arguments of `nasnet search`, group by group."""

import argparse
import pathlib
from typing import Any

from nasnet_keras.cli.arguments import crop_value
from nasnet_keras.search.commands.defaults import (
    BATCH_SIZE,
    CELLS_ON_GPU,
    CELLS_PER_STACK,
    CHILDREN_PER_ROUND,
    COMMON,
    DEFAULTS,
    SCHEDULE,
)
from nasnet_keras.search.commands.engine import NAMES, add_engine
from nasnet_keras.search.names import (
    CHILDREN,
    CHILDREN_A_WORKER,
    COSTS,
    ORACLES,
    REWARD_IMAGES,
    REWARDS,
    SIZES,
    SPACES,
)


def add_search_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds all arguments of `nasnet search` to a parser."""
    _add_data(parser)
    _add_search(parser)
    _add_oracles(parser)
    _add_reward(parser)
    _add_children(parser)
    add_engine(parser)
    _add_shared_weights(parser)
    _add_output(parser)


def only_defaults(args: argparse.Namespace) -> bool:
    """Returns whether nothing was given that changes what is searched.

    Then the search is the demonstration.
    """
    parser = argparse.ArgumentParser()
    add_search_arguments(parser)
    given, defaults = vars(args), vars(parser.parse_args([]))
    names = {*defaults, *COMMON, *DEFAULTS["digits"], *SIZES, *SCHEDULE}
    names.add("reward_images")
    names -= {"directory", "trials", "compare", "seed", "debug", *NAMES}
    return all(given.get(name) == defaults.get(name) for name in names)


def _add_data(parser):
    group = parser.add_argument_group("data")
    group.add_argument(
        "--data",
        "--dataset",
        dest="dataset",
        default="digits",
        help="digits, cifar10, cifar100, an .npz file of `nasnet "
        "convert-data`, or a folder with one folder of images per class",
    )
    group.add_argument(
        "--data-dir", help="where TensorFlow Datasets keeps its data"
    )
    _optional(group, "--image-size", int, "side to which images are resized")
    _optional(
        group,
        "--validation-split",
        float,
        "fraction of the training images used for validation",
    )
    group.add_argument(
        "--images", type=int, help="number of training images to use"
    )
    group.add_argument(
        "--crop",
        type=crop_value,
        help="of image files: fraction of the shorter side that is kept, a "
        "central square (None: 1); or squash, the whole image made square",
    )


def _add_search(parser):
    group = parser.add_argument_group("search")
    group.add_argument(
        "--oracle",
        choices=tuple(ORACLES),
        default="ppo",
        help="search algorithm",
    )
    group.add_argument(
        "--space",
        default=argparse.SUPPRESS,
        help=f"one of {', '.join(SPACES)}, or your own as MODULE:NAME "
        f"(default: {COMMON['space']})",
    )
    _optional(group, "--trials", int, "total number of children to evaluate")
    group.add_argument(
        "--blocks",
        type=int,
        default=argparse.SUPPRESS,
        help="blocks per cell (default: the space's)",
    )
    group.add_argument(
        "--also",
        type=_decision,
        action="append",
        metavar="NAME=VALUE,...",
        help="a setting of the children's recipe that is searched as well, "
        "such as learning_rate=0.05,0.1",
    )
    group.add_argument(
        "--enqueue",
        action="append",
        default=[],
        metavar="GENOTYPE",
        help="a cell of the space to evaluate first: a name or a JSON file",
    )
    group.add_argument(
        "--warm-start",
        type=pathlib.Path,
        metavar="RUN",
        help="learn from the trials of an earlier search first",
    )
    group.add_argument("--seed", type=int, default=0, help="random seed")


def _add_oracles(parser):
    group = parser.add_argument_group("oracles")
    _optional(
        group,
        "--update-every",
        int,
        "trials per update of the policy (its own: that of its settings), and "
        "children per round of shared weights (its own: "
        f"{CHILDREN_PER_ROUND})",
    )
    group.add_argument(
        "--population-size",
        type=int,
        default=20,
        help="members of the population of evolution",
    )
    group.add_argument(
        "--sample-size",
        type=int,
        default=5,
        help="members that evolution samples; the best becomes the parent",
    )


def _add_reward(parser):
    group = parser.add_argument_group("reward and limits")
    group.add_argument(
        "--reward",
        choices=tuple(REWARDS),
        default=argparse.SUPPRESS,
        help="what is rewarded on the validation images; the cross-entropy, as "
        f"exp(-cross-entropy), is less noisy (default: {COMMON['reward']})",
    )
    group.add_argument(
        "--cost",
        choices=COSTS,
        help="cost that the reward weighs against the accuracy",
    )
    group.add_argument("--target", type=float, help="target of the cost")
    group.add_argument(
        "--max-parameters",
        type=int,
        help="most parameters of a child that is trained; with shared weights "
        "those that it has at their filters",
    )
    group.add_argument(
        "--max-macs",
        type=int,
        help="most multiply-adds of such a child",
    )


def _add_children(parser):
    group = parser.add_argument_group("children")
    _optional(
        group, "--epochs", int, "epochs of each child trained from scratch"
    )
    group.add_argument(
        "--steps",
        type=int,
        default=argparse.SUPPRESS,
        help="training steps of each child, in place of epochs (default: as "
        "many as take half a minute on this machine)",
    )
    group.add_argument(
        "--funnel",
        metavar="STEPSxCHILDREN,...",
        default=argparse.SUPPRESS,
        help="stages: 125x48,375x8 trains 48 children for 125 steps, then the "
        "best 8 for 375 with another seed; the last stage decides (default: "
        "a sixth of the trials again, three times as long)",
    )
    _optional(group, "--cells-per-stack", int, "N of a child")
    group.add_argument(
        "--parameters",
        type=int,
        default=argparse.SUPPRESS,
        help="about the parameters of each child, whose filters follow "
        "(default: those of NASNet-A's with 8 filters)",
    )
    group.add_argument(
        "--macs",
        type=int,
        default=argparse.SUPPRESS,
        help="about the multiply-adds of each child",
    )
    group.add_argument(
        "--filters",
        type=int,
        default=argparse.SUPPRESS,
        help="F of each child; the reward then prefers expensive cells",
    )
    group.add_argument(
        "--reward-images",
        type=int,
        default=argparse.SUPPRESS,
        help="images that a reward is measured on, where there are so many "
        f"(default: {REWARD_IMAGES})",
    )
    group.add_argument(
        "--batch-size",
        type=int,
        help=f"images per training step (None: {BATCH_SIZE}, or all images to "
        "train on if there are fewer)",
    )
    group.add_argument(
        "--learning-rate",
        type=float,
        help="highest rate of a child trained from scratch (None: 0.1), or "
        "rate of shared weights (None: 0.05)",
    )
    group.add_argument(
        "--augmentation",
        choices=("none", "cifar"),
        default="none",
        help="augmentation of the training images",
    )
    group.add_argument(
        "--evaluator",
        choices=("scratch", "shared"),
        default="scratch",
        help="train each child from scratch, or one network whose weights all "
        "children share",
    )
    group.add_argument(
        "--stop-early",
        action="store_true",
        help="stop a child that is worse than the median of earlier ones after "
        "as many --epochs",
    )


def _add_shared_weights(parser):
    group = parser.add_argument_group("shared weights")
    group.add_argument(
        "--warm-up-steps",
        type=int,
        default=2000,
        help="training steps on random cells before the first child",
    )
    group.add_argument(
        "--round-steps",
        type=int,
        default=60,
        help="training steps on proposed cells after each round of children",
    )


def _add_output(parser):
    group = parser.add_argument_group("output")
    group.add_argument(
        "--directory",
        type=pathlib.Path,
        metavar="RUN",
        help="folder of this search; a search that was stopped there resumes",
    )
    group.add_argument(
        "--compare",
        action=argparse.BooleanOptionalAction,
        help="afterwards run as many random trials, and train the best cells "
        "and NASNet-A longer (None: with digits only)",
    )


# What stands for a default that depends on images and machine.
WITHOUT_DEFAULT = {
    "trials": f"{CHILDREN}, or {CHILDREN_A_WORKER} a worker if that is more",
    "epochs": "see --steps",
    "cells_per_stack": f"{CELLS_PER_STACK}, on a GPU {CELLS_ON_GPU}",
}


def _optional(group: Any, name: str, kind: type, text: str) -> None:
    """Adds an argument whose default depends on the dataset."""
    key = name.removeprefix("--").replace("-", "_")
    values = "; ".join(
        f"{dataset}: {defaults[key] or WITHOUT_DEFAULT.get(key, 'its own')}"
        for dataset, defaults in DEFAULTS.items()
    )
    group.add_argument(
        name, type=kind, help=f"{text} ({values})", default=argparse.SUPPRESS
    )


def _decision(text: str) -> tuple[str, list[Any]]:
    """Parses `learning_rate=0.05,0.1`: a name and its options."""
    name, _, options = text.partition("=")
    if not name or not options:
        raise argparse.ArgumentTypeError(
            f"must be NAME=VALUE,VALUE. Received: {text!r}"
        )
    return name.replace("-", "_"), [_value(part) for part in options.split(",")]


def _value(text: str) -> bool | int | float | str:
    """Parses a truth value or a number; returns other text unchanged."""
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
