"""Name what is on images: the likeliest classes of each.

An image is resized and its centre cropped as for evaluation; see
nasnet_keras/images/files.py. A folder means all image files in it.
"""

import argparse
import pathlib
import sys
from collections.abc import Iterator
from typing import Any

from nasnet_keras.cli.arguments import check_crop, check_least


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
    parser.add_argument(
        "--crop",
        type=float,
        default=0.875,
        help="fraction of the shorter side that is kept (default: 0.875)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Runs `nasnet predict`; returns 1 if an image could not be read."""
    check_least(args, {"top": 1, "batch_size": 1, "image_size": 1})
    check_crop(args)
    from nasnet_keras.inference.predict import class_names, predictions
    from nasnet_keras.runs.progress import Progress

    files = _files(args.images)
    preset, model, preprocess = _network(args)
    unreadable: list[pathlib.Path] = []
    with Progress(len(files)) as progress:
        images = _readable(
            files, preset, model, args.crop, unreadable, progress
        )
        for paths, scores in predictions(
            model, images, args.batch_size, preprocess
        ):
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


def _network(args: argparse.Namespace) -> tuple[Any, Any, Any]:
    """The preset, its network, and the function that scales images for it."""
    from nasnet_keras.images.imagenet import preprocess_input
    from nasnet_keras.inference.predict import load_network
    from nasnet_keras.model_files import load_with_preset
    from nasnet_keras.presets import get_preset

    if args.model is not None:
        if args.weights is not None:
            raise ValueError(
                "--model has its weights: --weights is for presets."
            )
        model, preset = load_with_preset(args.model, args.image_size)
        return preset, model, None
    if args.image_size is not None:
        raise ValueError(
            "--image-size is for --model: a preset has its own. Received: "
            f"--image-size {args.image_size}"
        )
    preset = get_preset(args.preset)
    return preset, load_network(preset, args.weights), preprocess_input


def _files(paths: list[pathlib.Path]) -> list[pathlib.Path]:
    """The paths, with those of folders replaced by their image files."""
    from nasnet_keras.images.files import SUFFIXES, image_files

    files: list[pathlib.Path] = []
    for path in paths:
        found = image_files(path) if path.is_dir() else [path]
        if not found:
            raise ValueError(
                f"The folder {path} holds no image ({', '.join(SUFFIXES)}). "
                "Folders within it are not searched: give them."
            )
        files += found
    return files


def _readable(
    files: list[pathlib.Path],
    preset: Any,
    model: Any,
    crop: float,
    unreadable: list[pathlib.Path],
    progress: Any,
) -> Iterator[tuple[pathlib.Path, Any]]:
    """Yields path and image; reports and lists the unreadable files."""
    from nasnet_keras.images.files import load_image
    from nasnet_keras.inference.predict import input_channels

    channels = input_channels(model)
    for path in files:
        try:
            image = load_image(path, preset.image_size, crop, channels=channels)
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
