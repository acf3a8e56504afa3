"""The folder of a search.

- `trials.jsonl`: one line for each ended trial; locked while a search runs.
- `config.json`: the configuration of the search.
- `warm_start.jsonl`: the trials of an earlier search that this one observed
  before its first.
- `controller.npz`: a snapshot of the policy; it only saves time.
"""

from __future__ import annotations

import json
import os
import pathlib
from typing import Any

from nasnet_keras.runs.arrays import read_arrays, write_arrays
from nasnet_keras.runs.files import write_atomically, write_json
from nasnet_keras.runs.folder import differences
from nasnet_keras.search.names import CONFIG, JOURNAL
from nasnet_keras.search.oracles.journal import Journal
from nasnet_keras.search.oracles.warm_start import read_warm_start
from nasnet_keras.search.policy.snapshot import Snapshot
from nasnet_keras.search.spaces.space import SearchSpace

EARLIER = "warm_start.jsonl"
SNAPSHOT = "controller.npz"


class SearchMismatchError(ValueError):
    """The folder holds another search."""


class Ledger:
    """Reads and writes the files of one search.

    Args:
        folder: Path.
        space: `SearchSpace`.
        warm_start: Optional path of an earlier search.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        space: SearchSpace,
        warm_start: str | os.PathLike[str] | None = None,
    ):
        self.folder = pathlib.Path(folder)
        self.space = space
        self.warm_start = warm_start

    def read_config(self) -> dict[str, Any] | None:
        """Returns the configuration in the folder; `None` if it is new."""
        path = self.folder / CONFIG
        return json.loads(path.read_text()) if path.exists() else None

    def open(self, config: dict[str, Any]) -> None:
        """Begins a search, or checks that the folder's is the same; locks it.

        Args:
            config: Dictionary for JSON, the configuration of the search.

        Raises:
            SearchMismatchError: If the folder holds another search.
            ValueError: If `warm_start` is no search of this space and reward.
            RuntimeError: If another process is searching in the folder.
        """
        theirs = self.read_config()
        if theirs is not None:
            self._check_same(theirs, config)
        elif (self.folder / JOURNAL).exists():
            raise SearchMismatchError(
                f"{self.folder} has a {JOURNAL} but no {CONFIG}: it is no "
                "folder of a search, or an incomplete copy of one."
            )
        else:
            self._begin(config)
        self._journal = Journal(self.folder / JOURNAL)

    def _begin(self, config):
        lines = read_warm_start(self.warm_start, self.space, config)
        if lines:
            write_atomically(self.folder / EARLIER, lines)
        write_json(self.folder / CONFIG, config)

    def _check_same(self, theirs, config):
        differing = list(differences(theirs, json.loads(json.dumps(config))))
        if differing:
            raise SearchMismatchError(
                f"{self.folder} holds another search. It differs in:\n"
                + "\n".join(f"  {line}" for line in differing)
                + "\nNothing was changed. Give another folder, or the "
                "same settings."
            )
        given = read_warm_start(self.warm_start, self.space, config)
        earlier = self._earlier_lines()
        if given and not (earlier and given.startswith(earlier)):
            raise SearchMismatchError(
                f"{self.folder} did not start from {self.warm_start}. "
                "Nothing was changed. Give another folder."
            )

    def _earlier_lines(self):
        path = self.folder / EARLIER
        return path.read_bytes() if path.is_file() else b""

    def read_earlier(self) -> list[dict[str, Any]]:
        """Returns the records of the earlier search."""
        return [json.loads(line) for line in self._earlier_lines().splitlines()]

    def read_records(self) -> list[dict[str, Any]]:
        """Returns the records of the trials that ended."""
        return self._journal.read()

    def append(self, record: dict[str, Any]) -> None:
        """Writes the record of an ended trial; returns when it is on disk."""
        self._journal.append(record)

    def write_snapshot(self, snapshot: Snapshot | None) -> None:
        """Replaces the snapshot of the policy, if there is one."""
        if snapshot is None:
            return
        path = self.folder / SNAPSHOT
        write_arrays(path, snapshot.weights, updates=snapshot.updates)

    def read_snapshot(self) -> Snapshot | None:
        """Returns the snapshot; `None` if it is absent or damaged."""
        found = read_arrays(self.folder / SNAPSHOT, "updates")
        return found and Snapshot(int(found[1]), found[0])

    def close(self) -> None:
        """Frees the folder for other processes."""
        self._journal.close()
