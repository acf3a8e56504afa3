"""The arguments of a search, kept in its folder for `nasnet retrain`."""

import argparse
import os
import pathlib

ARGUMENTS = "arguments.json"
# The arguments that `nasnet retrain` reads, and their types in JSON.
NEEDED: dict[str, type | tuple[type, ...]] = {
    "dataset": str,
    "data_dir": (str, type(None)),
    "image_size": (int, type(None)),
    "validation_split": (int, float),
    "images": (int, type(None)),
    "batch_size": int,
    "seed": int,
    "space": str,
    "blocks": (int, type(None)),
    "also": (list, type(None)),
}
# Those that may be paths.
PLACES = ("dataset", "data_dir")


def write_arguments(args: argparse.Namespace) -> None:
    """Writes the arguments of `nasnet search` to the search's folder."""
    from nasnet_keras.runs.files import write_json

    content = {
        name: str(value) if isinstance(value, pathlib.Path) else value
        for name, value in vars(args).items()
        if name != "run"
    }
    for name in PLACES:
        content[name] = _absolute(content[name])
    write_json(args.directory / ARGUMENTS, content)


def read_arguments(directory: pathlib.Path) -> argparse.Namespace:
    """Returns the arguments of the search in a folder.

    Raises:
        ValueError: If the folder holds no search, or the file is damaged.
    """
    from nasnet_keras.runs.files import DamagedFileError, read_json

    path = directory / ARGUMENTS
    if not path.is_file():
        raise ValueError(
            f"{directory} is no folder of `nasnet search`: it has no "
            f"{ARGUMENTS}."
        )
    remedy = "Restore a copy of it, or run the search's command again."
    content = read_json(path, remedy=remedy)
    wrong = [
        name
        for name, kind in NEEDED.items()
        if name not in content
        or not isinstance(content[name], kind)
        or isinstance(content[name], bool)
    ]
    if wrong:
        raise DamagedFileError(
            f"{path} is damaged: {', '.join(wrong)} is missing or of another "
            f"kind. {remedy}"
        )
    return argparse.Namespace(**content)


def _absolute(place):
    """A path that is found from every folder; a name of data stays."""
    from nasnet_keras.training.data.dataset import DEFAULT_SIZES

    if place is None or place in DEFAULT_SIZES or not os.path.exists(place):
        return place
    return os.path.abspath(place)
