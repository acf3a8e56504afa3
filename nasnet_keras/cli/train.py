"""Train a network by a recipe, or resume a training that was stopped.

Each training has its own folder. The same command with the same folder resumes
after the last complete epoch, and gives the same curve as without a stop.
"""

import argparse
import os
import pathlib
import shlex
import sys

from nasnet_keras import checks
from nasnet_keras.cli.arguments import (
    add_crop_argument,
    add_data_arguments,
    add_logits_argument,
    add_range_argument,
    add_recipe_arguments,
    recipe_of,
    recipe_settings,
)
from nasnet_keras.images.reading import CROP
from nasnet_keras.runs.interrupts import run_until_interrupted
from nasnet_keras.runs.optional import require
from nasnet_keras.training.recipes import get_recipe


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `nasnet train`."""
    _add_network_arguments(parser)
    add_data_arguments(parser)
    add_crop_argument(parser, f"1; {CROP} with inception's augmentation")
    add_recipe_arguments(parser)
    _add_fine_tuning_arguments(parser)
    _add_run_arguments(parser)
    parser.set_defaults(run=run)


def _add_network_arguments(parser: argparse.ArgumentParser) -> None:
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
        help="initial weights: a name of the preset's, or a path (default: "
        "random)",
    )
    network.add_argument(
        "--model",
        help="a .keras file to start from, in place of the arguments above; it "
        "keeps its classifier if it ends in softmax and its file names the "
        "classes of the data in their order, else it gets a new one",
    )
    add_range_argument(parser, network, "--model")


def _add_fine_tuning_arguments(parser: argparse.ArgumentParser) -> None:
    fine_tuning = parser.add_argument_group("fine-tuning and distillation")
    fine_tuning.add_argument(
        "--freeze-to",
        metavar="CELL",
        help="do not train this cell (cell_3, reduction_cell_0), the layers "
        "that it is computed from, and any batch normalization",
    )
    fine_tuning.add_argument(
        "--teacher", metavar="MODEL", help="a .keras file to learn from as well"
    )
    add_range_argument(parser, fine_tuning, "--teacher", "teacher-")
    add_logits_argument(fine_tuning, "--teacher", "teacher-")


def _add_run_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("run")
    group.add_argument(
        "--directory",
        type=pathlib.Path,
        required=True,
        metavar="RUN",
        help="folder of this training; a training stopped there is resumed",
    )
    group.add_argument("--seed", type=int, default=0, help="of all randomness")
    group.add_argument(
        "--precision",
        choices=("float32", "mixed_float16", "mixed_bfloat16"),
        default="float32",
        help="of computation; weights are kept in float32 (default: float32)",
    )
    group.add_argument(
        "--distribute",
        action="store_true",
        help="share each batch among all devices (JAX)",
    )
    group.add_argument(
        "--remat",
        action="store_true",
        help="compute activations inside cells again in the backward pass: "
        "the same results in less memory and more time",
    )


def run(args: argparse.Namespace) -> int:
    """Runs `nasnet train`; returns the exit status."""
    # Wrong settings are reported before anything is loaded.
    recipe_of(args)
    checks.seed(args.seed)
    require("Training", ["sklearn"], "train")
    # TensorFlow disables oneDNN on some processors, although it halves the
    # time of depthwise convolutions there.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    from nasnet_keras.runs.folder import run_folder

    with run_folder(args.directory, "run.json", "training"):
        return run_until_interrupted(
            lambda: _train(args),
            "The same command resumes after the last complete epoch in "
            f"{args.directory}.",
        )


def _train(args: argparse.Namespace) -> None:
    from nasnet_keras.training.session import TrainingJob, run_training

    job = TrainingJob(
        directory=args.directory,
        recipe=get_recipe(args.recipe),
        settings=recipe_settings(args),
        preset=args.preset,
        genotype=args.genotype,
        cells_per_stack=args.cells_per_stack,
        filters=args.filters,
        weights=args.weights,
        model=args.model,
        data=args.data,
        data_dir=args.data_dir,
        validation_split=args.validation_split,
        images=args.images,
        crop=args.crop,
        freeze_to=args.freeze_to,
        teacher=args.teacher,
        input_range=args.input_range,
        teacher_input_range=args.teacher_input_range,
        teacher_from_logits=args.teacher_from_logits,
        seed=args.seed,
        precision=args.precision,
        distribute=args.distribute,
        remat=args.remat,
        command=shlex.join(["nasnet", *sys.argv[1:]]),
    )
    run_training(job, verbose=1 if sys.stdout.isatty() else 2)
