"""Name what is on images: the likeliest classes of each.

An image is resized and its centre cropped as for evaluation; see
nasnet_keras/images/files.py. A folder means all image files in it and in its
folders.
"""

import argparse
import dataclasses
import pathlib
import sys
from collections.abc import Iterator
from typing import Any

from nasnet_keras.cli.arguments import (
    add_crop_argument,
    add_logits_argument,
    add_range_argument,
    check_least,
)
from nasnet_keras.images.reading import CROP, INTERPOLATION


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `nasnet predict`."""
    parser.add_argument(
        "images",
        nargs="+",
        type=pathlib.Path,
        metavar="IMAGE",
        help="an image file, or a folder of them",
    )
    network = parser.add_mutually_exclusive_group(required=True)
    network.add_argument("--preset", help="a preset's name, or its folder")
    network.add_argument(
        "--model",
        help="a .keras file, as `nasnet train` and `retrain` write it",
    )
    add_range_argument(parser, parser, "--model or a preset's folder")
    add_logits_argument(parser, "--model")
    parser.add_argument(
        "--image-size",
        type=int,
        help="side in pixels to which the images of a --model are cropped "
        "(default: its own)",
    )
    parser.add_argument(
        "--weights",
        help="which weights of the preset, or the path of a file (default: "
        "those of its folder, else the published ones, as imagenet)",
    )
    parser.add_argument(
        "--top", type=int, default=5, help="classes per image (default: 5)"
    )
    parser.add_argument(
        "--batch-size",
        type=int,
        default=8,
        help="images predicted at a time (default: 8)",
    )
    add_crop_argument(parser, f"the network's, else {CROP}")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Runs `nasnet predict`; returns 1 if an image could not be read."""
    check_least(args, {"top": 1, "batch_size": 1, "image_size": 1})
    from nasnet_keras.inference.predict import class_names, predictions
    from nasnet_keras.runs.progress import Progress

    files = _files(args.images)
    preset, model = _network(args)
    unreadable: list[pathlib.Path] = []
    with Progress(len(files)) as progress:
        images = _readable(files, preset, model, unreadable, progress)
        for paths, scores in predictions(model, images, args.batch_size):
            names = class_names(preset, scores)
            for path, row in zip(paths, scores):
                progress.print(_report(path, row, names, args.top), sys.stdout)
            progress.update(len(paths))
    if unreadable and len(files) > 1:
        print(
            f"nasnet predict: {len(unreadable)} of {len(files)} images could "
            "not be read.",
            file=sys.stderr,
        )
    return 1 if unreadable else 0


def _network(args: argparse.Namespace) -> tuple[Any, Any]:
    """The preset, with the crop to use, and its network."""
    from nasnet_keras.inference.predict import (
        check_for_model,
        load_network,
    )
    from nasnet_keras.model_files import load_with_preset
    from nasnet_keras.model_files.contract import Said
    from nasnet_keras.presets import get_preset

    said = Said(args.input_range, args.from_logits)
    if args.model is not None:
        check_for_model(args.weights)
        model, preset = load_with_preset(args.model, args.image_size, said)
        if args.crop is None and preset.crop is None:
            print(
                f"nasnet predict: {args.model} stores no crop. Of each image "
                f"{CROP} is kept; --crop changes this.",
                file=sys.stderr,
            )
    else:
        if args.image_size is not None:
            raise ValueError(
                "--image-size is for --model: a preset has its own. Received: "
                f"--image-size {args.image_size}"
            )
        preset = get_preset(args.preset)
        model = load_network(preset, args.weights, said=said)
    crop = preset.crop if args.crop is None else args.crop
    crop = CROP if crop is None else crop
    return dataclasses.replace(preset, crop=crop), model


def _files(paths: list[pathlib.Path]) -> list[pathlib.Path]:
    """The paths, with those of folders replaced by their image files."""
    from nasnet_keras.images.files import SUFFIXES, describe_unused, find_images
    from nasnet_keras.runs.notices import notice

    files: list[pathlib.Path] = []
    for path in paths:
        found, others = find_images(path) if path.is_dir() else ([path], [])
        if others:
            notice(describe_unused(str(path), others))
        if not found:
            raise ValueError(
                f"The folder {path} holds no image ({', '.join(SUFFIXES)})."
            )
        files += found
    return files


def _readable(
    files: list[pathlib.Path],
    preset: Any,
    model: Any,
    unreadable: list[pathlib.Path],
    progress: Any,
) -> Iterator[tuple[pathlib.Path, Any]]:
    """Yields path and image; reports and lists the unreadable files."""
    from nasnet_keras.images.files import load_image
    from nasnet_keras.inference.predict import input_channels

    interpolation = preset.interpolation or INTERPOLATION
    how = (preset.image_size, preset.crop, interpolation, input_channels(model))
    for path in files:
        try:
            image = load_image(path, *how)
        except ValueError as error:
            unreadable.append(path)
            progress.print(f"nasnet predict: {error}", sys.stderr)
            progress.update(1)
        else:
            yield path, image


def _report(path: pathlib.Path, scores: Any, names: list[str], top: int) -> str:
    best = sorted(range(len(scores)), key=lambda i: -scores[i])[:top]
    lines = [f"  {scores[i]:.4f}  {names[i]}" for i in best]
    return "\n".join([str(path), *lines])
