"""Write a model for other programs: a server, a phone, another framework.

Keras' own export, of the model in a .keras file, in single precision. Its
class names are written beside it. OpenVINO's file ends in .xml, LiteRT's in
.tflite. ONNX and OpenVINO need pip install 'nasnet-keras[export]'.
"""

import argparse
import pathlib

from nasnet_keras.deploy.formats import FORMATS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `nasnet export`."""
    parser.add_argument(
        "--model",
        required=True,
        help="a .keras file, as `nasnet train` and `retrain` write it",
    )
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default="tf_saved_model",
        help="(default: tf_saved_model)",
    )
    parser.add_argument(
        "--output",
        type=pathlib.Path,
        required=True,
        help="the file or folder to write; it must not exist",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Runs `nasnet export`."""
    from nasnet_keras.deploy.export import export_model

    export_model(args.model, args.output, args.format)
    print(args.output)
