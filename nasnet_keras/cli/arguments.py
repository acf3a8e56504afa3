"""Command-line arguments that several subcommands share."""

import argparse
import dataclasses
import functools
import inspect
import re
from collections.abc import Sequence
from typing import Any

from nasnet_keras.images.reading import CROPS, SQUASH, check_crop
from nasnet_keras.training.recipes import RECIPES, Recipe, get_recipe

PRESET_HELP = "a preset (`nasnet models` lists them) or its folder"
GENOTYPE_HELP = (
    "a published genotype (nasnet_a, darts_v2, ...) or a JSON file, such as a "
    "search's best.json"
)


def check_least(args: argparse.Namespace, least: dict[str, int]) -> None:
    """Raises ValueError for an argument below its minimum.

    Args:
        args: Parsed arguments.
        least: Dictionary, name of an argument -> its minimum. Arguments that
            are `None` were not given and pass.
    """
    for name, minimum in least.items():
        value = getattr(args, name)
        if value is not None and value < minimum:
            raise ValueError(
                f"--{name.replace('_', '-')} must be at least {minimum}. "
                f"Received: {value}"
            )


def check_one(args: argparse.Namespace, names: Sequence[str]) -> None:
    """Raises ValueError if more than one of some arguments is given.

    Args:
        args: Parsed arguments; those that are `None` were not given.
        names: Sequence of strings, their names.
    """
    given = {
        "--" + name.replace("_", "-"): getattr(args, name)
        for name in names
        if getattr(args, name) is not None
    }
    if len(given) > 1:
        received = " ".join(f"{flag} {value}" for flag, value in given.items())
        raise ValueError(
            f"{' and '.join(given)} exclude each other: give one of them. "
            f"Received: {received}"
        )


def crop_value(text: str) -> float | str:
    """Parses `--crop`: a number above 0 and up to 1, or `squash`."""
    try:
        return check_crop(float(text) if text != SQUASH else text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"must be {CROPS}. Received: {text!r}"
        ) from None


def add_crop_argument(group: Any, default: str) -> None:
    """Adds `--crop` to the arguments of data that are image files.

    Args:
        group: Parser or group of arguments.
        default: String, what is taken without the argument, for the help.
    """
    group.add_argument(
        "--crop",
        type=crop_value,
        help="of image files: fraction of the shorter side that is kept, a "
        "central square; or squash, the whole image made square "
        f"(default: {default})",
    )


def add_data_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the data that `nasnet train` and `nasnet evaluate` load."""
    data = parser.add_argument_group("data")
    data.add_argument(
        "--data",
        default="cifar10",
        help="cifar10, cifar100, imagenet2012, digits, an .npz file of `nasnet "
        "convert-data`, or a folder with one folder of images per class "
        "(default: cifar10)",
    )
    data.add_argument(
        "--data-dir", help="where TensorFlow Datasets keeps its data"
    )
    data.add_argument(
        "--validation-split",
        type=float,
        default=0.1,
        help="fraction of the training images; 0 trains on all (default: 0.1)",
    )
    data.add_argument(
        "--images", type=int, help="number of training images to use"
    )


def add_range_argument(
    parser: argparse.ArgumentParser, group: Any, model: str, prefix: str = ""
) -> None:
    """Adds the range of pixels that a `.keras` file takes.

    Args:
        parser: The parser.
        group: Its group of arguments, or the parser itself.
        model: String, what the file is called in the help.
        prefix: String before the name of the argument: `"teacher-"`.
    """
    # By default argparse takes `-1..1` for the name of an option.
    parser._negative_number_matcher = re.compile(r"-\d")
    group.add_argument(
        f"--{prefix}input-range",
        metavar="RANGE",
        help=f"values of the images that {model} takes, where it does not say "
        "it itself: 0..255, 0..1 or -1..1",
    )


def add_logits_argument(group: Any, model: str, prefix: str = "") -> None:
    """Adds whether a `.keras` file gives logits; see `add_range_argument`."""
    group.add_argument(
        f"--{prefix}from-logits",
        action=argparse.BooleanOptionalAction,
        default=None,
        help=f"whether {model} gives logits, where its last layer does not "
        "say it",
    )


def add_recipe_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the choice of a recipe, and an argument for each setting."""
    group = parser.add_argument_group(
        "recipe", "Each setting of the recipe can be given another value."
    )
    group.add_argument(
        "--recipe",
        choices=RECIPES,
        default="cifar10_short",
        help="(default: cifar10_short)",
    )
    for field in dataclasses.fields(Recipe):
        _add_setting(group, field)


def _add_setting(group: Any, field: Any) -> None:
    name = f"--{field.name.replace('_', '-')}"
    text = {"help": _setting_docs()[field.name], "default": None}
    if field.type is bool:
        group.add_argument(name, action=argparse.BooleanOptionalAction, **text)
    elif field.name == "growing_sizes":
        group.add_argument(name, type=_sizes, metavar="NxSIDE,...", **text)
    else:
        metavar = field.type.__name__.upper()
        group.add_argument(name, type=field.type, metavar=metavar, **text)


@functools.cache
def _setting_docs() -> dict[str, str]:
    """The text of each setting in the docstring of `Recipe`."""
    _, arguments = (inspect.getdoc(Recipe) or "").split("Args:\n")
    texts = {}
    for entry in re.split(r"\n(?=    \w)", arguments):
        names, text = entry.split(":", 1)
        text = " ".join(text.split()).replace("`", "").replace("%", "%%")
        texts.update(dict.fromkeys(names.strip().split(", "), text))
    return texts


def _sizes(text: str) -> tuple[tuple[int, int], ...]:
    """Parses `7x16,7x24`: 7 epochs at 16 pixels, 7 at 24."""
    if not text:
        return ()
    pairs = [
        re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", part) for part in text.split(",")
    ]
    if None in pairs:
        raise argparse.ArgumentTypeError(
            "must be EPOCHSxSIDE, positive integers, with commas between. "
            f"Received: {text!r}"
        )
    return tuple((int(pair[1]), int(pair[2])) for pair in pairs if pair)


def recipe_settings(args: argparse.Namespace) -> dict[str, Any]:
    """Returns the settings given in place of the recipe's, by name."""
    return {
        field.name: getattr(args, field.name)
        for field in dataclasses.fields(Recipe)
        if getattr(args, field.name, None) is not None
    }


def recipe_of(args: argparse.Namespace) -> Recipe:
    """Returns the recipe that the arguments ask for."""
    return dataclasses.replace(get_recipe(args.recipe), **recipe_settings(args))
