"""Errors that name an argument as it was typed on the command line."""

import argparse
import contextlib
import re
from collections.abc import Iterator

# Arguments whose flag has another name.
FLAGS = {"dataset": "--data", "max_trials": "--trials"}


@contextlib.contextmanager
def naming_flags(args: argparse.Namespace, **flags: str) -> Iterator[None]:
    """Writes `--batch-size` in place of `batch_size` in a ValueError.

    Args:
        args: Parsed arguments, whose names are replaced.
        flags: Name of an argument -> its flag, where it is another.
    """
    own = {name: "--" + name.replace("_", "-") for name in vars(args)}
    known = {**own, **FLAGS, **flags}
    try:
        yield
    except ValueError as error:
        text = re.sub(
            r"`(\w+)`", lambda match: known.get(match[1], match[0]), str(error)
        )
        if text == str(error):
            raise
        raise ValueError(text) from error


@contextlib.contextmanager
def about_flag(flag: str) -> Iterator[None]:
    """Begins a ValueError with the flag that it is about, if with no flag."""
    try:
        yield
    except ValueError as error:
        if str(error).startswith("--"):
            raise
        raise ValueError(f"{flag}: {error}") from error
