"""How an oracle takes up the search in its folder."""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Iterator
from typing import Any

from nasnet_keras.runs.files import DamagedFileError
from nasnet_keras.runs.notices import notice
from nasnet_keras.search.names import JOURNAL
from nasnet_keras.search.oracles import trials
from nasnet_keras.search.oracles.algorithm import Record, of_one_age
from nasnet_keras.search.oracles.core import Core
from nasnet_keras.search.oracles.ledger import Ledger


class Restoring:
    """The part of `SpaceOracle` that opens and reads its folder."""

    # Of the oracle.
    folder: pathlib.Path
    warm_start: Any
    core: Core
    algorithm: Any
    trials: trials.Trials
    start_order: list[str]
    end_order: list[str]
    _lock: Any

    _ledger: Any = None  # Set once all of it is read.
    _restored = 0  # Trials that ended in an earlier process.
    _best: Record | None = None  # The first record with the best score.

    def restore(self) -> None:
        """Resumes the search in the project's folder, or begins it.

        The first trial calls it; while the folder is open, a second call does
        nothing. If it fails, the oracle is as before and it can be called
        again, for example after a damaged file was replaced.

        Raises:
            SearchMismatchError: If the folder holds another search.
            DamagedFileError: If a file there is damaged.
            FolderInUseError: If another process is searching in it.
        """
        with self._lock:
            if self._ledger is not None and not self._ledger.closed:
                return
            space = self.core.space
            ledger = Ledger(self.folder, space, self.warm_start)
            try:
                with self._unchanged_on_error():
                    earlier, ended = self._read(ledger)
                self._replay(earlier, ended)
                snapshot = ledger.read_snapshot()
                if snapshot is not None:
                    self.algorithm.restore(snapshot)
            except BaseException:
                ledger.close()
                raise
            self._ledger = ledger

    def _restore_once(self):
        """Reads the folder; does not lock it again after `close`."""
        if self._ledger is None:
            self.restore()

    def _read(self, ledger):
        """Returns earlier records, and pairs of a record and its trial."""
        config = ledger.read_config()
        if config is not None:
            self.adopt(config)
        else:
            self.core.check_limits()  # Before anything is written.
        ledger.open(self.describe())
        ended = [self._check(record) for record in ledger.read_records()]
        earlier = ledger.read_earlier()
        used = of_one_age(earlier)
        if len(used) < len(earlier):
            notice(
                f"{self.folder}: of {len(earlier)} earlier trials, {len(used)} "
                "are learned from: the rewards of others are of shared weights "
                "of another age, or they failed."
            )
        return used, ended

    @contextlib.contextmanager
    def _unchanged_on_error(self) -> Iterator[None]:
        """Undoes `adopt` if the folder is refused."""
        enqueued, algorithm = self.core.enqueued, dict(vars(self.algorithm))
        try:
            yield
        except BaseException:
            self.core.enqueued = enqueued
            vars(self.algorithm).update(algorithm)
            raise

    def _check(self, record: Record) -> Record:
        """Returns a record with values that are the options themselves.

        Names and options of all records are then the same objects: a quarter
        of the memory.
        """
        space, values = self.core.space, record["values"]
        try:
            options = space.to_values(space.to_actions(values))
        except ValueError as error:
            raise DamagedFileError(
                f"The record of trial {record['trial']} in {self.folder} is "
                f"damaged: {error}. Restore a copy of {JOURNAL}."
            ) from error
        return {**record, "values": {**options, **_others(values, options)}}

    def _replay(self, earlier, ended):
        """Observes what this process has not observed yet."""
        for record in earlier[len(self.core.earlier) :]:
            self.core.observe_earlier(record)
        for record in ended:
            name = trials.trial_id(record["trial"])
            if not self.trials.has_ended(name):
                self.start_order.append(name)
                self._observe(record)
        self._restored = len(self.end_order)

    def _observe(self, record):
        """Takes a trial that has ended and is in the journal."""
        self.trials.end(record)
        self.end_order.append(trials.trial_id(record["trial"]))
        self.core.observe(record)
        reward = self.algorithm.reward(record)
        if reward is not None and (
            self._best is None or reward > self.algorithm.reward(self._best)
        ):
            self._best = record

    def close(self) -> None:
        """Frees the folder for other processes."""
        if self._ledger is not None:
            self._ledger.close()


def _others(values, options):
    """The values that are not of the space: of a hypermodel."""
    return {name: values[name] for name in values if name not in options}
