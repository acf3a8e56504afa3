"""An append-only file of JSON lines that survives a kill at any moment.

A line counts once its newline is on disk. An unfinished line of a killed
process is cut off before the next line is written.
"""

from __future__ import annotations

import fcntl
import json
import os
import pathlib
from typing import Any


class Journal:
    """The lines of one file; open in one process at a time.

    Args:
        path: Path of the file. It is made, with its folder, if absent.

    Raises:
        RuntimeError: If another process has it open.
        ValueError: If a finished line is not JSON.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.path = pathlib.Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = open(self.path, "a+b")  # noqa: SIM115 (held open)
        try:
            # The operating system frees the lock when the process ends.
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise RuntimeError(
                f"Another process is searching in {self.path.parent}: it has "
                f"{self.path.name} locked."
            ) from None

    def read(self) -> list[dict[str, Any]]:
        """Cuts off an unfinished last line and returns the finished ones."""
        self._file.seek(0)
        content = self._file.read()
        finished = content[: content.rfind(b"\n") + 1]
        if len(finished) < len(content):
            self._file.truncate(len(finished))
        records = []
        for number, line in enumerate(finished.splitlines(), 1):
            try:
                records.append(json.loads(line))
            except ValueError as error:
                raise ValueError(
                    f"{self.path}, line {number} is not JSON: {error}"
                ) from error
        return records

    def append(self, record: dict[str, Any]) -> None:
        """Writes a record and returns when it is on disk."""
        self._file.write(json.dumps(record).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Closes the file, which frees its lock."""
        self._file.close()

    def __del__(self):
        if hasattr(self, "_file"):
            self.close()
