"""Sends libraries' messages to a log file; errors stay on the terminal."""

import contextlib
import faulthandler
import logging
import os
import pathlib
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def stderr_to_log(path: str | os.PathLike[str]) -> Iterator[None]:
    """Sends to a file what libraries write to standard error.

    C libraries write to file descriptor 2, which goes to the file inside the
    block. Python's `sys.stderr` (our lines, tracebacks) stays unchanged, and
    so does the stack that is printed if a library crashes. Python warnings
    and log records below ERROR go to the file.

    Args:
        path: Path of the file; it is appended to.
    """
    sys.stderr.flush()
    terminal = os.fdopen(os.dup(2), "w", buffering=1, errors="replace")
    python_stderr, sys.stderr = sys.stderr, terminal
    log = pathlib.Path(path).open("a", buffering=1)  # noqa: SIM115
    os.dup2(log.fileno(), 2)
    faulthandler.enable(file=terminal)
    errors = logging.StreamHandler(terminal)
    errors.setLevel(logging.ERROR)
    root = logging.getLogger()
    before, root.handlers = root.handlers, [logging.StreamHandler(log), errors]
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        root.handlers = before
        faulthandler.disable()
        os.dup2(terminal.fileno(), 2)
        sys.stderr = python_stderr
        log.close()
        terminal.close()


def say(line: str) -> None:
    """Prints a line on standard error: what the user should know at once."""
    print(line, file=sys.stderr, flush=True)
