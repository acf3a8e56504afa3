"""Lines for the user on standard error, whatever names they hold."""

import sys
from collections.abc import Sequence
from typing import TextIO


def notice(line: str) -> None:
    """Prints a line on standard error."""
    print(printable(line, sys.stderr), file=sys.stderr, flush=True)


def first(names: Sequence[str]) -> str:
    """Returns the first three names, as text."""
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def printable(text: str, stream: TextIO) -> str:
    r"""Returns a text that a stream can print.

    Names of files need not be valid text, and a terminal need not have every
    letter: what it cannot print is shown as `\xe9` or `\udce9`.
    """
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)
