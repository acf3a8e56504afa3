"""Train a network by a recipe, and go on where a training was stopped.

A run has a folder of its own. The same command, given the same folder, goes
on from the last whole epoch to the same curve as if it had not been stopped.
"""

import argparse
import dataclasses
import functools
import inspect
import os
import pathlib
import re

from nasnet_keras.runs.interrupts import run_until_interrupted
from nasnet_keras.runs.optional import require
from nasnet_keras.training.recipes import RECIPES, Recipe, get_recipe


def add_arguments(parser):
    """Adds the arguments of `nasnet train` to a parser."""
    network = parser.add_argument_group("network")
    network.add_argument(
        "--preset",
        help="a preset, or its folder (default: nasnet_cifar)",
    )
    network.add_argument(
        "--genotype", help="cells in place of the preset's: a name, a JSON file"
    )
    network.add_argument("--cells-per-stack", type=int, help="N in the paper")
    network.add_argument("--filters", type=int, help="F of the first stack")
    network.add_argument(
        "--weights",
        help="where to start from: a preset's weights, a path (default: "
        "random)",
    )
    network.add_argument(
        "--model",
        help="a .keras file to start from, in place of all this; it gets a "
        "new classifier where the classes are others",
    )
    add_data_arguments(parser)
    add_recipe_arguments(parser)
    fine_tuning = parser.add_argument_group("fine-tuning and distillation")
    fine_tuning.add_argument(
        "--freeze-to",
        metavar="CELL",
        help="do not train this cell (cell_3, reduction_cell_0) nor what it is "
        "computed from, nor any batch normalization",
    )
    fine_tuning.add_argument(
        "--teacher", metavar="MODEL", help="a .keras file to learn from as well"
    )
    run = parser.add_argument_group("run")
    run.add_argument(
        "--directory",
        type=pathlib.Path,
        required=True,
        metavar="RUN",
        help="folder of this training; one stopped there is taken up again",
    )
    run.add_argument("--seed", type=int, default=0, help="of everything")
    run.add_argument(
        "--precision",
        choices=("float32", "mixed_float16", "mixed_bfloat16"),
        default="float32",
        help="of computing; weights are kept in float32 (default: float32)",
    )
    run.add_argument(
        "--distribute",
        action="store_true",
        help="share each batch among all devices (JAX)",
    )
    parser.set_defaults(run=run_train)


def add_data_arguments(parser):
    """Adds what `nasnet train` and `nasnet evaluate` ask of the data."""
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
        help="share of the training images; 0 trains on all (default: 0.1)",
    )
    data.add_argument(
        "--images", type=int, help="use only so many training images"
    )


def add_recipe_arguments(parser):
    """Adds the choice of a recipe, and of each of its settings."""
    recipe = parser.add_argument_group(
        "recipe", "Each setting of the recipe can be given another value."
    )
    recipe.add_argument(
        "--recipe",
        choices=RECIPES,
        default="cifar10_short",
        help="(default: cifar10_short)",
    )
    for field in dataclasses.fields(Recipe):
        _add_setting(recipe, field)


def _add_setting(group, field):
    name = f"--{field.name.replace('_', '-')}"
    text = {"help": _settings_help()[field.name], "default": None}
    if field.type is bool:
        group.add_argument(name, action=argparse.BooleanOptionalAction, **text)
    elif field.type is tuple:
        group.add_argument(name, type=_sizes, metavar="NxSIDE,...", **text)
    else:
        metavar = field.type.__name__.upper()
        group.add_argument(name, type=field.type, metavar=metavar, **text)


@functools.cache
def _settings_help():
    """What the docstring of `Recipe` says of each setting."""
    _, arguments = inspect.getdoc(Recipe).split("Args:\n")
    texts = {}
    for entry in re.split(r"\n(?=    \w)", arguments):
        names, text = entry.split(":", 1)
        text = " ".join(text.split()).replace("`", "").replace("%", "%%")
        texts.update(dict.fromkeys(names.strip().split(", "), text))
    return texts


def _sizes(text):
    """Reads `7x16,7x24`: 7 epochs at 16 pixels, 7 at 24."""
    if not text:
        return ()
    try:
        pairs = [part.split("x") for part in text.split(",")]
        return tuple((int(epochs), int(side)) for epochs, side in pairs)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"must be EPOCHSxSIDE, with commas between. Received: {text!r}"
        ) from None


def recipe_of(args):
    """Returns the recipe that the arguments ask for."""
    given = {
        field.name: getattr(args, field.name)
        for field in dataclasses.fields(Recipe)
        if getattr(args, field.name, None) is not None
    }
    return dataclasses.replace(get_recipe(args.recipe), **given)


def run_train(args):
    """Runs `nasnet train`; returns the exit status."""
    recipe = recipe_of(args)
    require("Training", ["sklearn"], "train")
    # oneDNN's depthwise convolutions: TensorFlow has them off on some
    # processors, where they take half the time.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    from nasnet_keras.runs.folder import run_folder

    def train():
        from nasnet_keras.training.session import Session

        Session(args, recipe).run()

    with run_folder(args.directory, "run.json", "training"):
        return run_until_interrupted(
            train,
            "The same command goes on from the last whole epoch in "
            f"{args.directory}.",
        )
