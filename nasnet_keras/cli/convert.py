"""Rewrite published weights as one file that loads on every backend.

SOURCE is a file of keras.applications (.h5, .weights.h5, .keras) or a TF-slim
checkpoint (its prefix or one of its files), which only TensorFlow can read.
Every variable is accounted for, and the file is read back and compared before
it appears at --output.
"""

import argparse
import pathlib
from typing import Any

MOVING_AVERAGE: dict[str, bool | str] = {
    "auto": "auto",
    "yes": True,
    "no": False,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `nasnet convert`."""
    parser.add_argument("source", metavar="SOURCE", help="weights to convert")
    parser.add_argument(
        "--preset", required=True, help="the preset of their network"
    )
    parser.add_argument(
        "--output",
        required=True,
        type=pathlib.Path,
        help="a .weights.h5 file, or a .keras file with the network itself",
    )
    parser.add_argument(
        "--classes", type=int, help="classes, if not those of the preset"
    )
    parser.add_argument(
        "--no-top", action="store_true", help="leave the classifier out"
    )
    parser.add_argument(
        "--auxiliary-head",
        action="store_true",
        help="keep the auxiliary classifier, for training",
    )
    parser.add_argument(
        "--moving-average",
        choices=tuple(MOVING_AVERAGE),
        default="auto",
        help="of a TF-slim checkpoint: take averages where there are some "
        "(default), demand them, or take the raw variables",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Runs `nasnet convert`."""
    _check_output(args.output)
    from nasnet_keras.deploy.convert import convert_weights

    overrides: dict[str, Any] = {"include_top": not args.no_top}
    if args.auxiliary_head:
        overrides["auxiliary_head"] = True
    if args.classes is not None:
        overrides["classes"] = args.classes
    loaded = convert_weights(
        args.source,
        args.preset,
        args.output,
        MOVING_AVERAGE[args.moving_average],
        **overrides,
    )
    _report(args.output, loaded)


def _check_output(path: pathlib.Path) -> None:
    if not path.name.endswith((".keras", ".weights.h5")):
        raise ValueError(
            f"--output must end in .weights.h5 or .keras. Received: {path}"
        )
    if path.exists():
        raise ValueError(f"--output {path} exists: remove it first.")


def _report(path: pathlib.Path, loaded: Any) -> None:
    variables = f"{loaded.variables} variables"
    if loaded.averages:
        variables += f", {loaded.averages} of them moving averages"
    print(f"{path}: {variables}")
    if loaded.passed_over:
        heads = {name.split("/")[0] for name in loaded.passed_over}
        print(
            f"Left out: {len(loaded.passed_over)} variables of heads that the "
            f"network does not have ({', '.join(sorted(heads))})."
        )
