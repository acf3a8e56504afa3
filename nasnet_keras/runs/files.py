"""Atomic writing: a file or folder appears complete or not at all."""

import contextlib
import json
import os
import pathlib
import tempfile
from collections.abc import Iterator
from typing import Any


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
    """
    path = pathlib.Path(path)
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


def write_json(path: str | os.PathLike[str], content: Any) -> None:
    """Writes a value as a JSON file in one step, see `replacing`."""
    write_atomically(path, json.dumps(content, indent=1) + "\n")
