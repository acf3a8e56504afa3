"""The command `nasnet`.

Subcommands import what they need when they run: `nasnet --help` loads no
backend.
"""

import argparse
import faulthandler
import io
import itertools
import os
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import nasnet_keras
from nasnet_keras.cli.errors import WRONG_INPUT, report
from nasnet_keras.runs.interrupts import INTERRUPTED
from nasnet_keras.runs.log import stderr_set_aside

DEBUG_HELP = "show the traceback of an error, and all that libraries print"

MAY_BE_EMPTY = ("--growing-sizes",)


def make_parser() -> argparse.ArgumentParser:
    """Returns the parser of all subcommands."""
    parser = argparse.ArgumentParser(
        prog="nasnet",
        description="NASNet for Keras 3: networks and the search for cells.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--version", action="version", version=nasnet_keras.__version__
    )
    parser.add_argument("--debug", action="store_true", help=DEBUG_HELP)
    subparsers = parser.add_subparsers(dest="command", required=True)
    for name, text, module in _commands():
        _add_command(subparsers, name, text, module)
    return parser


def _commands() -> list[tuple[str, str, ModuleType]]:
    """Name, help and module of each subcommand, in the order of the help."""
    from nasnet_keras.cli import (
        convert,
        convert_data,
        evaluate,
        export,
        models,
        plot,
        predict,
        summary,
        train,
    )
    from nasnet_keras.search.commands import retrain, search

    return [
        ("search", "search for cells on images", search),
        ("retrain", "train a search's best cells, keep one model", retrain),
        ("train", "train a network by a recipe", train),
        ("evaluate", "measure a network's accuracy", evaluate),
        ("predict", "name what is on images", predict),
        ("export", "write a model for other programs", export),
        ("convert", "rewrite published weights for every backend", convert),
        ("convert-data", "rewrite a dataset for every backend", convert_data),
        ("models", "the presets: computed and published figures", models),
        (
            "summary",
            "parameters and multiply-adds of a network, cell by cell",
            summary,
        ),
        ("plot", "draw both cells of a genotype", plot),
    ]


def _add_command(
    subparsers: Any, name: str, text: str, module: ModuleType
) -> None:
    parser = subparsers.add_parser(
        name,
        help=text,
        description=module.__doc__,
        formatter_class=getattr(
            module, "HelpFormatter", argparse.HelpFormatter
        ),
    )
    # No default: it would override `--debug` before the subcommand.
    parser.add_argument(
        "--debug",
        action="store_true",
        default=argparse.SUPPRESS,
        help=DEBUG_HELP,
    )
    module.add_arguments(parser)


def main(words: Sequence[str] | None = None) -> int:
    """Runs a subcommand.

    Args:
        words: The arguments after `nasnet`. Defaults to `sys.argv[1:]`.

    Returns:
        The exit status: 2 for wrong input, 1 if the work failed.
    """
    words = sys.argv[1:] if words is None else words
    if found := _empty_argument(words):
        print(f"nasnet: {found} is empty", file=sys.stderr)
        return WRONG_INPUT
    args = make_parser().parse_args(words)
    if vars(args).pop("debug"):
        return args.run(args) or 0
    with stderr_set_aside() as libraries_said:
        try:
            status = args.run(args) or 0
            sys.stdout.flush()  # Nobody may read it.
        except KeyboardInterrupt:
            print(f"nasnet {args.command}: stopped.", file=sys.stderr)
            return INTERRUPTED
        except Exception as error:
            return report(args.command, error, libraries_said())
    return status


def _empty_argument(words: Sequence[str]) -> str | None:
    """Names an empty argument: as a path it would be the current folder."""
    for before, word in itertools.pairwise(["nasnet", *words]):
        if not word and before not in MAY_BE_EMPTY:
            is_option = before.startswith("--")
            return f"what follows {before}" if is_option else "an argument"
        name, sign, value = word.partition("=")
        given = name.startswith("--") and sign and name not in MAY_BE_EMPTY
        if given and not value:
            return f"what follows {word}"
    return None


def run() -> None:
    """The entry point of the command."""
    _open_standard_streams()
    faulthandler.enable()  # A crash of a library prints Python's stack.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A name that the terminal cannot show stops no command.
            stream.reconfigure(errors="backslashreplace")
    sys.exit(main())


def _open_standard_streams() -> None:
    """Opens those that are closed (`2>&-`): a file would take their number."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)


if __name__ == "__main__":
    run()
