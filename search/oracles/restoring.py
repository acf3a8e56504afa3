"""How an oracle takes up the search in its folder."""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Iterator
from typing import Any

from nasnet_keras.runs.files import DamagedFileError
from nasnet_keras.search.names import JOURNAL
from nasnet_keras.search.oracles import trials
from nasnet_keras.search.oracles.algorithm import Record, of_last_age
from nasnet_keras.search.oracles.core import Core
from nasnet_keras.search.oracles.ledger import Ledger


class Restoring:
    """The part of `SpaceOracle` that opens and reads its folder."""

    # Of the oracle.
    folder: pathlib.Path
    warm_start: Any
    core: Core
    algorithm: Any
    objective: Any
    trials: dict[str, Any]
    start_order: list[str]
    end_order: list[str]
    get_space: Any
    _lock: Any

    _ledger: Any = None  # Set once all of it is read.
    _restored = 0  # Trials that ended in an earlier process.

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
        ended = [
            (record, self._trial_of(record)) for record in ledger.read_records()
        ]
        return of_last_age(ledger.read_earlier()), ended

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

    def _trial_of(self, record: Record) -> Any:
        """Returns the trial of a record, which can be observed."""
        try:
            self.core.space.to_actions(record["values"])
            return trials.to_trial(record, self.get_space(), self.objective)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DamagedFileError(
                f"The record of trial {record.get('trial')!r} in {self.folder} "
                f"is damaged ({type(error).__name__}: {error}). Restore a "
                f"copy of {JOURNAL}."
            ) from error

    def _replay(self, earlier, ended):
        """Observes what this process has not observed yet."""
        for record in earlier[len(self.core.earlier) :]:
            self.core.observe_earlier(record)
        known = set(self.end_order)
        for record, trial in ended:
            if trial.trial_id in known:
                continue
            known.add(trial.trial_id)
            self.trials[trial.trial_id] = trial
            self.start_order.append(trial.trial_id)
            self.end_order.append(trial.trial_id)
            self.core.observe(record)
        self._restored = len(self.end_order)

    def close(self) -> None:
        """Frees the folder for other processes."""
        if self._ledger is not None:
            self._ledger.close()
