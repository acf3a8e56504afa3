"""The folder of a run, a search's or a training's, and what made it."""

import contextlib
import json

from nasnet_keras.runs.log import chatter_to

LOG = "log"


@contextlib.contextmanager
def run_folder(directory, marker, what):
    """Makes the folder of a run; what libraries chatter goes to its log.

    A run that ends before it has written anything leaves no folder behind.

    Args:
        directory: Path, new or of an earlier run.
        marker: String, the file by which such a folder is known.
        what: String, what runs: "search", "training".

    Raises:
        ValueError: If it is a file, or a folder that holds something else.
    """
    _check(directory, marker, what)
    directory.mkdir(parents=True, exist_ok=True)
    try:
        with chatter_to(directory / LOG):
            yield
    finally:
        if {path.name for path in directory.iterdir()} <= {LOG}:
            (directory / LOG).unlink(missing_ok=True)
            directory.rmdir()


def _check(directory, marker, what):
    if directory.exists() and not directory.is_dir():
        raise ValueError(f"--directory {directory} is a file, not a folder.")
    if directory.is_dir():
        names = {path.name for path in directory.iterdir()}
        if names - {LOG} and marker not in names:
            raise ValueError(
                f"--directory {directory} holds other files "
                f"({', '.join(sorted(names)[:3])}, ...) and no {what}. "
                "Nothing was changed. Give a new folder."
            )


def differences(before, now, place=""):
    """Yields a line for each entry in which two JSON values differ."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted({*before, *now}):
            inner = f"{place}.{key}" if place else key
            missing = "(absent)"
            yield from differences(
                before.get(key, missing), now.get(key, missing), inner
            )
    elif before != now:
        yield f"{place}: there {_short(before)}, now {_short(now)}"


def _short(value):
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
