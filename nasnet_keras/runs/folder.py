"""The folder of a run: of a search or a training."""

import contextlib
import json
import os
import pathlib
from collections.abc import Collection, Iterator
from typing import Any

from nasnet_keras.runs.files import is_temporary
from nasnet_keras.runs.lock import LOCK, FolderLock
from nasnet_keras.runs.log import stderr_to_log

LOG = "log"


@contextlib.contextmanager
def run_folder(
    directory: pathlib.Path,
    marker: str,
    what: str,
    begun: Collection[str] = (),
) -> Iterator[None]:
    """Makes and locks the folder of a run; libraries' messages go to its log.

    If the run ends before it has written a file, the folder is removed.

    Args:
        directory: Path, new or of an earlier run.
        marker: String, name of a file that every such folder has.
        what: String, the kind of run: "search" or "training".
        begun: Names of the files that are written before the marker: a killed
            run may have left them alone.

    Raises:
        ValueError: If `directory` is a file, or a folder with other content.
        FolderInUseError: If another process works there.
    """
    _check(directory, marker, what, begun)  # Not even a lock is put there.
    try:
        with FolderLock(directory):
            _check(directory, marker, what, begun)
            try:
                with stderr_to_log(directory / LOG):
                    yield
            finally:
                if _names(directory) <= {LOG}:
                    (directory / LOG).unlink(missing_ok=True)
    finally:
        # It fails if there is a file: ours, or one of another process that
        # has come meanwhile.
        with contextlib.suppress(OSError):
            os.rmdir(directory)


def _check(directory, marker, what, begun):
    if directory.exists() and not directory.is_dir():
        raise ValueError(
            f"`directory` is a file, not a folder. Received: {directory}"
        )
    names = _names(directory) if directory.is_dir() else set()
    if names - {LOG, *begun} and marker not in names:
        raise ValueError(
            f"`directory` holds other files "
            f"({', '.join(sorted(names)[:3])}, ...) and no {what}. "
            "Nothing was changed. Give a new folder. "
            f"Received: {directory}"
        )


def _names(directory):
    """The names in a folder, but the lock and temporary files of ours."""
    return {
        path.name
        for path in directory.iterdir()
        if path.name != LOCK and not is_temporary(path)
    }


def without_data_name(configuration: dict[str, Any]) -> dict[str, Any]:
    """Returns a configuration without the name of its data.

    Data are known by their hash. The name is the path that the user gave:
    the same data may have another one now.
    """
    data = configuration.get("data")
    if not isinstance(data, dict) or "sha256" not in data:
        return configuration
    data = {key: value for key, value in data.items() if key != "name"}
    return {**configuration, "data": data}


def differences(before: Any, now: Any, place: str = "") -> Iterator[str]:
    """Yields a line for each entry in which two JSON values differ.

    An entry that is missing is one of `null`: a setting that came later, with
    `None` as its default, leaves earlier runs as they are.
    """
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted({*before, *now}):
            inner = f"{place}.{key}" if place else key
            yield from differences(before.get(key), now.get(key), inner)
    elif before != now:
        yield f"{place}: there {_short(before)}, now {_short(now)}"


def _short(value):
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
