"""The arguments of a search, kept in its folder for `nasnet retrain`."""

import argparse
import json
import pathlib

ARGUMENTS = "arguments.json"


def write_arguments(args: argparse.Namespace) -> None:
    """Writes the arguments of `nasnet search` to the search's folder."""
    from nasnet_keras.runs.files import write_json

    content = {
        name: str(value) if isinstance(value, pathlib.Path) else value
        for name, value in vars(args).items()
        if name != "run"
    }
    write_json(args.directory / ARGUMENTS, content)


def read_arguments(directory: pathlib.Path) -> argparse.Namespace:
    """Returns the arguments of the search in a folder.

    Raises:
        ValueError: If the folder holds no search.
    """
    path = directory / ARGUMENTS
    if not path.is_file():
        raise ValueError(
            f"{directory} is no folder of `nasnet search`: it has no "
            f"{ARGUMENTS}."
        )
    return argparse.Namespace(**json.loads(path.read_text()))
