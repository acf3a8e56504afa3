"""Keeps a backend's chatter off standard error, and real errors on it."""

import contextlib
import faulthandler
import logging
import os
import pathlib
import sys


@contextlib.contextmanager
def chatter_to(path):
    """Sends what libraries write to standard error to a file.

    C libraries write to file descriptor 2, which goes to the file for the
    time being. Python's `sys.stderr` (our lines, tracebacks) stays where it
    was, and so does the stack that is printed if a library crashes. Python
    warnings, and log records below ERROR, go to the file.

    Args:
        path: Path of the file; it is appended to.
    """
    sys.stderr.flush()
    terminal = os.fdopen(os.dup(2), "w", buffering=1, errors="replace")
    python_stderr, sys.stderr = sys.stderr, terminal
    log = pathlib.Path(path).open("a", buffering=1)  # noqa: SIM115
    os.dup2(log.fileno(), 2)
    faulthandler.enable(file=terminal)
    handlers = [logging.StreamHandler(log), logging.StreamHandler(terminal)]
    handlers[1].setLevel(logging.ERROR)
    root = logging.getLogger()
    before, root.handlers = root.handlers, handlers
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
