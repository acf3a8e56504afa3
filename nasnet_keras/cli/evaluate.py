"""Measure a network on images that it was not trained on.

Prints its accuracy; `--output` also writes it as JSON, with what produced it.
By default the data are those of the model's training, split as then, and
CIFAR-10 for presets of CIFAR-10.

For ImageNet, --data is a folder with one folder of validation images per
class, named by WordNet id (n01440764), or imagenet2012 as TensorFlow Datasets
prepared it. The official archive has all validation images in one folder, so
sort them first.
"""

import argparse
import pathlib
import sys
from typing import Any

from nasnet_keras.cli.arguments import (
    add_crop_argument,
    add_data_arguments,
    add_logits_argument,
    add_range_argument,
    check_least,
)
from nasnet_keras.images.reading import CROP, INTERPOLATIONS

# Arguments that are not settings of a measurement.
NOT_RECORDED = ("command", "run")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `nasnet evaluate`."""
    network = parser.add_argument_group("network", "a preset or a model")
    network.add_argument("--preset", help="a preset, or its folder")
    network.add_argument(
        "--weights",
        help="which weights of the preset, or a path (default: its own)",
    )
    network.add_argument(
        "--model", help="a .keras file, as `nasnet train` writes it"
    )
    add_range_argument(parser, network, "--model or a preset's folder")
    add_logits_argument(network, "--model")
    add_data_arguments(parser)
    # `evaluate` finds the data of the network, and how they were split.
    parser.set_defaults(data=None, validation_split=None)
    _add_measurement_arguments(parser)
    parser.set_defaults(run=run)


def _add_measurement_arguments(parser: argparse.ArgumentParser) -> None:
    measure = parser.add_argument_group("measurement")
    measure.add_argument(
        "--split",
        choices=("test", "validation", "all"),
        help="which part of the data; all: every image of a folder, whose "
        "folders are named by the network's classes, or by WordNet id for "
        "ImageNet (default: all for a preset of ImageNet and a folder that is "
        "not split into train and test; else test)",
    )
    measure.add_argument("--image-size", type=int, help="side in pixels")
    add_crop_argument(measure, f"the network's, else {CROP}")
    measure.add_argument(
        "--interpolation",
        choices=INTERPOLATIONS,
        help="of image files (default: the network's, else bicubic)",
    )
    measure.add_argument(
        "--limit", type=int, help="number of images to use, of all classes"
    )
    measure.add_argument(
        "--batch-size",
        type=int,
        default=64,
        help="images predicted at a time (default: 64)",
    )
    measure.add_argument(
        "--output", type=pathlib.Path, help="a JSON file to write"
    )


def run(args: argparse.Namespace) -> None:
    """Runs `nasnet evaluate`."""
    check_least(args, {"batch_size": 1, "limit": 1, "image_size": 1})
    if args.output is not None and args.output.is_dir():
        raise ValueError(f"--output must be a file. Received: {args.output}")
    if (args.preset is None) == (args.model is None):
        raise ValueError("Give either --preset or --model.")
    from nasnet_keras.inference.evaluate import evaluate

    evaluation = evaluate(
        preset=args.preset,
        weights=args.weights,
        model=args.model,
        data=args.data,
        split=args.split,
        image_size=args.image_size,
        batch_size=args.batch_size,
        crop=args.crop,
        interpolation=args.interpolation,
        limit=args.limit,
        input_range=args.input_range,
        from_logits=args.from_logits,
        data_dir=args.data_dir,
        validation_split=args.validation_split,
        images=args.images,
    )
    _report(args, evaluation)
    if args.output is not None:
        _write(args, evaluation)


def _report(args: argparse.Namespace, evaluation: Any) -> None:
    result, data = evaluation.result, evaluation.data
    top5 = f", top-5 {result['top5']:.2%}" if "top5" in result else ""
    print(
        f"{args.model or args.preset} on the {result['images']:,} images of "
        f"{data.name} ({data.split}): top-1 {result['top1']:.2%}{top5}, "
        f"loss {result['loss']:.4f}"
    )
    side, crop = result["image_size"], result["crop"]
    reading = f"crop {crop}, {result['interpolation']}" if crop else "no crop"
    weights = f"weights {evaluation.weights}, " if evaluation.weights else ""
    print(
        f"  {weights}image size {side}, {reading}, "
        f"pooling semantics {result['pooling_semantics']}"
    )
    if data.whole is not None:
        print(
            f"  {result['images']:,} of the {data.whole:,} images of "
            f"{data.name} were measured; --split all measures all."
        )


def _write(args: argparse.Namespace, evaluation: Any) -> None:
    from nasnet_keras.runs.files import write_json
    from nasnet_keras.runs.provenance import provenance

    content = {
        "network": str(args.model or args.preset),
        **evaluation.record(),
        "produced_by": {
            **provenance("pillow"),
            "configuration": _configuration(args, evaluation),
        },
    }
    write_json(args.output, content)
    print(f"Written: {args.output}", file=sys.stderr)


def _configuration(
    args: argparse.Namespace, evaluation: Any
) -> dict[str, int | float | str]:
    """The arguments, with the defaults that depend on others."""
    chosen = {
        "data": evaluation.data.name,
        "split": evaluation.data.split,
        "crop": evaluation.result["crop"],
        "interpolation": evaluation.result["interpolation"],
    }
    return {
        name: value if isinstance(value, (int, float)) else str(value)
        for name, value in {**vars(args), **chosen}.items()
        if value is not None and name not in NOT_RECORDED
    }
