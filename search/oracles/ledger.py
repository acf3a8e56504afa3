"""The folder of a search.

- `trials.jsonl`: one line for each ended trial; locked while a search runs.
- `config.json`: the configuration of the search, the last file that is made
  when it begins.
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
from nasnet_keras.runs.files import (
    json_text,
    read_json,
    write_atomically,
    write_json,
)
from nasnet_keras.runs.folder import differences, without_data_name
from nasnet_keras.runs.lock import FolderLock
from nasnet_keras.runs.notices import notice
from nasnet_keras.search.names import CONFIG, EARLIER, JOURNAL
from nasnet_keras.search.oracles.journal import Journal, parse_lines
from nasnet_keras.search.oracles.trials import check_records
from nasnet_keras.search.oracles.warm_start import read_warm_start
from nasnet_keras.search.policy.snapshot import Snapshot
from nasnet_keras.search.spaces.space import SearchSpace

SNAPSHOT = "controller.npz"


class SearchMismatchError(ValueError):
    """The folder holds another search."""


class Ledger:
    """Reads and writes the files of one search, and locks its folder.

    Args:
        folder: Path.
        space: `SearchSpace`.
        warm_start: Optional path of an earlier search.

    Raises:
        FolderInUseError: If another process is searching in the folder.
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
        self._journal: Journal | None = None
        self._lock = FolderLock(self.folder)
        self._lock.acquire()

    def read_config(self) -> dict[str, Any] | None:
        """Returns the configuration in the folder; `None` if it is new."""
        path = self.folder / CONFIG
        remedy = "Restore a copy of it, or give another folder."
        return read_json(path, remedy=remedy) if path.exists() else None

    def open(self, config: dict[str, Any]) -> None:
        """Begins a search, or checks that the folder's is the same.

        Args:
            config: Dictionary for JSON, the configuration of the search.

        Raises:
            SearchMismatchError: If the folder holds another search, or a part
                of one.
            ValueError: If `warm_start` is no search of this space and reward.
            FolderInUseError: If an earlier version is searching there.
        """
        theirs = self.read_config()
        journal = self.folder / JOURNAL
        if theirs is not None:
            self._check_same(theirs, config)
            if not journal.exists():
                raise SearchMismatchError(
                    f"{self.folder} has a {CONFIG} but no {JOURNAL}, which "
                    "holds its trials. Restore a copy of it, or give another "
                    "folder."
                )
        elif journal.exists() and journal.stat().st_size:
            raise SearchMismatchError(
                f"{self.folder} has a {JOURNAL} but no {CONFIG}: it is no "
                "folder of a search, or an incomplete copy of one."
            )
        earlier = self._read_warm_start(config)
        self._journal = Journal(journal)
        if theirs is None:
            self._begin(config, earlier)

    def _read_warm_start(self, config):
        return read_warm_start(self.warm_start, self.space, config)

    def _begin(self, config, earlier):
        # What a process left that was killed here, or another search.
        for name in (EARLIER, SNAPSHOT):
            (self.folder / name).unlink(missing_ok=True)
        if earlier:
            write_atomically(self.folder / EARLIER, earlier)
        write_json(self.folder / CONFIG, config)

    def _check_same(self, theirs, config):
        ours = json.loads(json_text(config))
        if "statistics" in ours and "statistics" not in theirs:
            theirs = {**theirs, "statistics": ours["statistics"]}
            notice(
                f"{self.folder} was begun by an earlier version, whose "
                "children were measured with moving averages of the batch "
                "statistics. Those to come have statistics that are estimated "
                "anew: their rewards are on another scale. Begin a new search "
                "to compare them all."
            )
        pair = without_data_name(theirs), without_data_name(ours)
        differing = list(differences(*pair))
        if differing:
            raise SearchMismatchError(
                f"{self.folder} holds another search. It differs in:\n"
                + "\n".join(f"  {line}" for line in differing)
                + "\nNothing was changed. Give another folder, or the "
                "same settings."
            )
        given = self._read_warm_start(config)
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
        path = self.folder / EARLIER
        return check_records(parse_lines(self._earlier_lines(), path), path)

    def read_records(self) -> list[dict[str, Any]]:
        """Returns the records of the trials that ended."""
        return check_records(self._opened().read(), self.folder / JOURNAL)

    def append(self, record: dict[str, Any]) -> None:
        """Writes the record of an ended trial; returns when it is on disk."""
        self._opened().append(record)

    def _opened(self):
        if self._journal is None:
            raise RuntimeError("The ledger must be opened first.")
        return self._journal

    def write_snapshot(self, snapshot: Snapshot | None) -> None:
        """Replaces the snapshot of the policy, if there is one."""
        if snapshot is None:
            return
        path = self.folder / SNAPSHOT
        write_arrays(path, snapshot.weights, updates=snapshot.updates)

    def read_snapshot(self) -> Snapshot | None:
        """Returns the snapshot; `None` if it is absent or damaged."""
        path = self.folder / SNAPSHOT
        found = read_arrays(path, "updates")
        if found is not None and found[1].shape == ():
            return Snapshot(int(found[1]), found[0])
        if path.exists():
            notice(
                f"{path} is damaged: the policy is learned anew from {JOURNAL}"
            )
        return None

    @property
    def closed(self) -> bool:
        """Whether `close` has been called."""
        return self._journal is None

    def close(self) -> None:
        """Frees the folder for other processes."""
        if self._journal is not None:
            self._journal.close()
        self._journal = None
        self._lock.release()
