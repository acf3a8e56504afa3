"""Files and folders that appear complete or not at all; JSON files."""

import contextlib
import json
import math
import os
import pathlib
import re
import shutil
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

# What `zipfile` raises for archives that are damaged.
DAMAGED_ZIP = (
    *(OSError, EOFError, RuntimeError, UnicodeError),
    *(zipfile.BadZipFile, zlib.error, struct.error),
)
# `.NAME.` and the eight characters that `tempfile` adds.
TEMPORARY = re.compile(r"\.(.+)\.[a-z0-9_]{8}")


class DamagedFileError(ValueError):
    """A file does not hold what was written to it."""


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[pathlib.Path]:
    """Replaces a file, or makes a folder, in one step.

    A reader of `path` finds the old content or the complete new one, even
    after a crash. An error inside the block leaves `path` unchanged.

    Args:
        path: Path of the file or folder. Its parent is made if absent.

    Yields:
        `pathlib.Path` of the same name in a temporary folder beside `path`:
        write the new file or folder there.

    Raises:
        OSError: If it cannot be written; it names a path.
    """
    path = pathlib.Path(path)
    with naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            dir=path.parent, prefix=f".{path.name}."
        ) as folder:
            temporary = pathlib.Path(folder, path.name)
            yield temporary
            if temporary.is_file():
                with temporary.open("rb") as file:
                    os.fsync(file.fileno())
            os.replace(temporary, path)


@contextlib.contextmanager
def naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Adds a path to an `OSError` that has none, such as one of a full disk."""
    try:
        yield
    except OSError as error:
        if error.errno is None:  # HDF5's errors are text only.
            error.args = (f"{path}: {error}",)
        elif error.filename is None:
            error.filename = str(path)
        raise


def is_temporary(path: pathlib.Path) -> bool:
    """Whether a path is what `replacing` leaves if its process is killed.

    It is a folder `.NAME.xxxxxxxx` that holds nothing but `NAME`.
    """
    match = TEMPORARY.fullmatch(path.name)
    if match is None or path.is_symlink() or not path.is_dir():
        return False
    try:
        return set(os.listdir(path)) <= {match[1]}
    except OSError:  # Not to be read, or just removed.
        return False


def remove_temporaries(folder: str | os.PathLike[str]) -> None:
    """Removes what killed processes left in a folder.

    Args:
        folder: Path; no other process may be writing there.
    """
    for path in pathlib.Path(folder).glob(".*"):
        if is_temporary(path):
            shutil.rmtree(path, ignore_errors=True)


def write_atomically(
    path: str | os.PathLike[str], content: str | bytes
) -> None:
    """Writes text or bytes to a file in one step, see `replacing`.

    Args:
        path: Path of the file.
        content: String or bytes.
    """
    content = content.encode() if isinstance(content, str) else content
    with replacing(path) as temporary:
        temporary.write_bytes(content)
        temporary.chmod(0o644)


def finite(content: Any) -> Any:
    """Returns a JSON value with `None` for NaN and infinities.

    JSON has no such numbers.
    """
    if isinstance(content, float):
        return content if math.isfinite(content) else None
    if isinstance(content, dict):
        return {key: finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [finite(value) for value in content]
    return content


def json_text(content: Any, indent: int | None = None) -> str:
    """Returns a value as JSON; `null` for numbers that JSON does not have."""
    return json.dumps(finite(content), indent=indent, allow_nan=False)


def write_json(path: str | os.PathLike[str], content: Any) -> None:
    """Writes a value as a JSON file in one step, see `replacing`."""
    write_atomically(path, json_text(content, indent=1) + "\n")


def parse_json(
    content: bytes, source: str, kind: type = dict, remedy: str = ""
) -> Any:
    """Returns the value of JSON text.

    Args:
        content: Bytes.
        source: String, what holds the text; starts the error message.
        kind: Expected type of the value.
        remedy: String, what the user can do if it is damaged.

    Raises:
        DamagedFileError: If it is no JSON, or its value is of another type.
    """
    try:
        value = json.loads(content.decode())
    except (ValueError, RecursionError) as error:
        problem = "it is empty" if not content.strip() else str(error)
        value = None
    else:
        problem = f"it holds {str(value)[:40]!r}"
    if isinstance(value, kind):
        return value
    raise DamagedFileError(
        f"{source} is damaged: {problem}, not a JSON "
        f"{'object' if kind is dict else 'array'}. "
        + (remedy or "Restore a copy of it.")
    )


def read_json(
    path: str | os.PathLike[str], kind: type = dict, remedy: str = ""
) -> Any:
    """Returns the value in a JSON file, see `parse_json`."""
    return parse_json(pathlib.Path(path).read_bytes(), str(path), kind, remedy)
