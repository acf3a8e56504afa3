"""The folder of a run: of a search or a training."""

import contextlib
import json
import pathlib
from collections.abc import Iterator
from typing import Any

from nasnet_keras.runs.log import stderr_to_log

LOG = "log"


@contextlib.contextmanager
def run_folder(
    directory: pathlib.Path, marker: str, what: str
) -> Iterator[None]:
    """Makes the folder of a run; libraries' messages go to its log.

    If the run ends before it has written a file, the folder is removed.

    Args:
        directory: Path, new or of an earlier run.
        marker: String, name of a file that every such folder has.
        what: String, the kind of run: "search" or "training".

    Raises:
        ValueError: If `directory` is a file, or a folder with other content.
    """
    _check(directory, marker, what)
    directory.mkdir(parents=True, exist_ok=True)
    try:
        with stderr_to_log(directory / LOG):
            yield
    finally:
        if {path.name for path in directory.iterdir()} <= {LOG}:
            (directory / LOG).unlink(missing_ok=True)
            directory.rmdir()


def _check(directory, marker, what):
    if directory.exists() and not directory.is_dir():
        raise ValueError(
            f"`directory` is a file, not a folder. Received: {directory}"
        )
    if directory.is_dir():
        names = {path.name for path in directory.iterdir()}
        if names - {LOG} and marker not in names:
            raise ValueError(
                f"`directory` holds other files "
                f"({', '.join(sorted(names)[:3])}, ...) and no {what}. "
                "Nothing was changed. Give a new folder. "
                f"Received: {directory}"
            )


def differences(before: Any, now: Any, place: str = "") -> Iterator[str]:
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
