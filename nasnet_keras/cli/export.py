"""Write a model for other programs: a server, a phone, another framework.

Keras' own export, of the model in a .keras file. It takes images of 0 to 255;
its class names are written beside it.
"""

import json
import pathlib

FORMATS = ("tf_saved_model", "onnx", "openvino", "litert")


def add_arguments(parser):
    """Adds the arguments of `nasnet export` to a parser."""
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
        help="the file or folder to write; nothing may be there",
    )
    parser.set_defaults(run=run)


def run(args):
    """Runs `nasnet export`."""
    names = args.output.with_name(args.output.name + ".classes.json")
    for path in (args.output, names):
        if path.exists():
            raise ValueError(f"--output: {path} exists. Nothing was changed.")
    from nasnet_keras.model_files import load_model, read_about
    from nasnet_keras.runs.files import write_atomically

    model = load_model(args.model)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    model.export(args.output, format=args.format, verbose=False)
    classes = read_about(args.model).get("class_names")
    if classes:
        write_atomically(names, json.dumps(classes, indent=1) + "\n")
    print(args.output)
