"""An append-only file of JSON lines that survives a kill at any moment.

A line counts once its newline is on disk. An unfinished line of a killed
process is cut off before the next line is written.

A line begins with the checksum of what follows,
`{"crc": "0a1b2c3d", "trial": ...}`. Those of earlier versions have none: they
begin with `"trial"`.
"""

from __future__ import annotations

import io
import os
import pathlib
import re
import sys
import zlib
from typing import Any

from nasnet_keras.runs.files import (
    DamagedFileError,
    json_text,
    naming,
    parse_json,
)
from nasnet_keras.runs.lock import FolderInUseError, lock
from nasnet_keras.runs.notices import notice

CHECKSUM = "crc"
# With the CRC-32 of the bytes that follow.
HEAD = re.compile(rb'\{"crc": "([0-9a-f]{8})", ')
FIRST_KEY = "trial"  # Of a line without checksum.
REMEDY = (
    "Restore a copy of the file, or remove this line and those after it: "
    "their trials are evaluated again."
)


class Journal:
    """The lines of one file; open in one process at a time.

    Args:
        path: Path of the file. It is made, with its folder, if absent.

    Raises:
        FolderInUseError: If another process has it open.
        DamagedFileError: In `read`, if a finished line is damaged.
        OSError: If it cannot be written; it names the path.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.path = pathlib.Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # Without a buffer: after an error nothing is left to be written later.
        self._file = open(self.path, "a+b", buffering=0)  # noqa: SIM115
        # Earlier versions lock this file alone.
        if not lock(self._file):
            self._file.close()
            raise FolderInUseError(
                f"Another process is searching in {self.path.parent}: it has "
                f"{self.path.name} locked."
            )

    def read(self) -> list[dict[str, Any]]:
        """Cuts off an unfinished last line and returns the finished ones."""
        self._file.seek(0)
        content = self._file.read()
        finished = finished_size(content)
        records = parse_lines(content, self.path)
        if finished < len(content):
            notice(
                f"{self.path}: its last line was not finished when a process "
                "was killed, and is removed. Its trial is evaluated again."
            )
            self._file.truncate(finished)
        return records

    def append(self, record: dict[str, Any]) -> None:
        """Writes a record and returns when it is on disk.

        If that fails, for example on a full disk, the file is as before.
        """
        line = to_line(record)
        end = self._file.seek(0, os.SEEK_END)
        with naming(self.path):
            try:
                while line:
                    line = line[self._file.write(line) :]
                os.fsync(self._file.fileno())
            except OSError:
                self._file.truncate(end)
                raise

    @property
    def closed(self) -> bool:
        """Whether `close` has been called."""
        return self._file.closed

    def close(self) -> None:
        """Closes the file, which frees its lock."""
        self._file.close()

    def __del__(self):
        if hasattr(self, "_file"):
            self.close()


def to_line(record: dict[str, Any]) -> bytes:
    """Returns the line of a record, with its newline."""
    rest = json_text(record).encode()[1:]
    head = f'{{"{CHECKSUM}": "{zlib.crc32(rest):08x}", '
    return head.encode() + rest + b"\n"


def finished_size(content: bytes) -> int:
    """Returns the bytes of a journal without an unfinished last line."""
    return content.rfind(b"\n") + 1


def finished_lines(content: bytes) -> bytes:
    """Returns the content of a journal without an unfinished last line."""
    return content[: finished_size(content)]


def parse_lines(
    content: bytes, path: str | os.PathLike[str]
) -> list[dict[str, Any]]:
    """Returns the records of the finished lines.

    Args:
        content: Bytes. What follows the last newline is not finished.
        path: Path of their file, for the error message.

    Raises:
        DamagedFileError: If a line is not what was written.
    """
    records = []
    # Line by line: a long journal is not held twice.
    for number, line in enumerate(io.BytesIO(content), 1):
        # A line that was written whole may have another byte in place of its
        # newline: it is damaged, not unfinished.
        if line.endswith(b"\n"):
            line = line[:-1]
        elif not _has_valid_checksum(line[:-1]):
            break
        records.append(_shared(_parse_line(line, f"{path}, line {number}")))
    return records


def _shared(value):
    """Returns the value with one copy of each string for all records.

    Names and options are most of a record, and the same in each.
    """
    if isinstance(value, str):
        return sys.intern(value)
    if isinstance(value, dict):
        return {sys.intern(key): _shared(part) for key, part in value.items()}
    return value


def _has_valid_checksum(line):
    head = HEAD.match(line)
    if head is None:
        return False
    return int(head[1], 16) == zlib.crc32(line[head.end() :])


def _parse_line(line, place):
    record = parse_json(line, place, remedy=REMEDY)
    if CHECKSUM in record:
        valid = _has_valid_checksum(line)
        del record[CHECKSUM]
    else:
        valid = next(iter(record), None) == FIRST_KEY
    if not valid:
        raise DamagedFileError(
            f"{place} is damaged: its content and checksum differ. {REMEDY}"
        )
    return record
