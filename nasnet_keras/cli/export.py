"""Write a model for other programs: a server, a phone, another framework.

The network is fused, which makes it faster, and exported in single precision
or what --precision says. The file is then run in its own runtime and compared
with the model: OUTPUT.report.json says how close they are, and on which images.
Its class names are written beside it, too. It needs
pip install 'nasnet-keras[export]'.
"""

import argparse
import pathlib
from typing import Any

from nasnet_keras.cli.arguments import add_range_argument, check_least
from nasnet_keras.deploy.exporting.formats import FORMATS, PRECISIONS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `nasnet export`."""
    parser.add_argument(
        "--model",
        required=True,
        help="a .keras file, as `nasnet train` and `retrain` write it",
    )
    parser.add_argument(
        "--format",
        choices=tuple(FORMATS),
        default="tf_saved_model",
        help="(default: tf_saved_model)",
    )
    parser.add_argument(
        "--output",
        type=pathlib.Path,
        required=True,
        help="the file or folder to write, which must not exist: .onnx, .xml "
        "(OpenVINO), .tflite (LiteRT), .mlpackage (Core ML)",
    )
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="float32",
        help="int8 makes the file smaller, seldom faster, and needs "
        "--calibrate; bfloat16 is for tf_saved_model (default: float32)",
    )
    parser.add_argument(
        "--calibrate",
        metavar="FOLDER",
        help="some hundred images that the network will meet, for int8; in "
        "other precisions the file is compared on them",
    )
    add_range_argument(parser, parser, "--model")
    parser.add_argument(
        "--image-size",
        type=int,
        help="side in pixels to which the images of --calibrate are cropped "
        "(default: the model's own)",
    )
    parser.add_argument(
        "--fuse",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="fold batch norms and compute once what is equal (default: yes)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Runs `nasnet export`."""
    check_least(args, {"image_size": 1})
    from nasnet_keras.deploy import export

    report = export(
        *(args.model, args.output, args.format, args.precision, args.fuse),
        calibration=args.calibrate,
        input_range=args.input_range,
        image_size=args.image_size,
    )
    print(f"{args.output}: {report['bytes'] / 1e6:.2f} MB, {_compared(report)}")


def _compared(report: dict[str, Any]) -> str:
    if not report["compared"]:
        return f"not compared: {report['reason']}"
    return (
        f"its outputs differ by {report['largest_difference']:.1g} of the "
        f"largest, {100 * report['same_predictions']:.0f} % of "
        f"{report['images']} predictions are the same (on "
        f"{report['compared_on']}){_other_order(report['order'])}"
    )


def _other_order(order: list[int]) -> str:
    if order == sorted(order):
        return ""
    places = ", ".join(str(place + 1) for place in order)
    return f"; the model's outputs are, in this order, its outputs {places}"
