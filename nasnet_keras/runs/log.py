"""Standard error for our own lines: those of libraries go to a file.

TensorFlow prints six lines when it starts, an error about a missing GPU among
them.
"""

import contextlib
import faulthandler
import logging
import os
import pathlib
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from typing import TextIO

OURS = "nasnet_keras"
OUR_FOLDERS = tuple(
    str(pathlib.Path(__file__).resolve().parents[2] / name) + os.sep
    for name in (OURS, "search")
)
LAST_LINES = 20


@contextlib.contextmanager
def stderr_to_log(path: str | os.PathLike[str]) -> Iterator[None]:
    """Sends to a file what libraries write to standard error.

    C libraries write to file descriptor 2, which goes to the file inside the
    block. Python's `sys.stderr` (our lines, tracebacks) stays unchanged, and
    so does the stack that is printed if a library crashes. Python warnings
    and log records below ERROR go to the file, unless they are ours.

    Args:
        path: Path of the file; it is appended to.
    """
    with pathlib.Path(path).open("a", buffering=1) as log, _redirected(log):
        yield


@contextlib.contextmanager
def stderr_set_aside() -> Iterator[Callable[[], str]]:
    """As `stderr_to_log`, to a temporary file.

    Yields:
        Function that returns the last lines of the file.
    """
    try:
        log = tempfile.TemporaryFile(  # noqa: SIM115
            "w+", buffering=1, errors="replace"
        )
    except OSError:  # There is no place: they stay where they are.
        yield str
        return
    with log, _redirected(log):
        yield lambda: _last_lines(log)


def _last_lines(log):
    log.flush()
    log.seek(0)
    return "".join(log.readlines()[-LAST_LINES:])


@contextlib.contextmanager
def _redirected(log: TextIO) -> Iterator[None]:
    """Sends file descriptor 2, warnings and records to a file.

    It can be nested: `sys.stderr` is then the terminal already.
    """
    python_stderr, show, root = sys.stderr, warnings.showwarning, logging.root
    handlers, had_faulthandler = root.handlers, faulthandler.is_enabled()
    others = [each for each in handlers if not isinstance(each, _Handler)]
    python_stderr.flush()
    before = os.fdopen(os.dup(2), "w", buffering=1, errors="backslashreplace")
    if _descriptor(python_stderr) == 2:
        sys.stderr = before
    os.dup2(log.fileno(), 2)
    faulthandler.enable(file=_descriptor(sys.stderr) or before)
    root.handlers = [*others, _Handler(log), _for_users()]
    warnings.showwarning = _show_in(log)
    try:
        yield
    finally:
        warnings.showwarning = show
        root.handlers = handlers
        sys.stderr.flush()
        os.dup2(before.fileno(), 2)
        if had_faulthandler:
            faulthandler.enable(file=_descriptor(python_stderr) or 2)
        else:
            faulthandler.disable()
        sys.stderr = python_stderr
        before.close()


def _descriptor(stream):
    """The file descriptor of a Python stream; `None` for one in memory."""
    try:
        return stream.fileno()
    except (AttributeError, OSError):
        return None


class _Handler(logging.StreamHandler):
    """A handler of this module."""


def _for_users():
    """A handler of log records that users should see."""
    handler = _Handler(sys.stderr)
    handler.addFilter(
        lambda record: (
            record.levelno >= logging.ERROR
            or (record.name == OURS and record.levelno >= logging.WARNING)
        )
    )
    return handler


def _show_in(log):
    """Replaces `warnings.showwarning`: others' warnings go to the log."""

    def show(message, category, filename, lineno, file=None, line=None):
        if filename.startswith(OUR_FOLDERS):
            print(f"{category.__name__}: {message}", file=sys.stderr)
        else:
            text = warnings.formatwarning(
                message, category, filename, lineno, line
            )
            log.write(text)

    return show
