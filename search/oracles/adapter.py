"""`SpaceOracle`: the core and the ledger as a `keras_tuner.Oracle`.

This module and `trials` alone use protected members of KerasTuner, read in
version 1.4.8:

- `Oracle._set_project_dir`, `_directory` and `_project_name`: the tuner sets
  the folder through them; the public `directory` and `project_name` stay
  `None`.
- `Oracle._check_objective_found`: KerasTuner's own error if a tuner reports
  metrics without the objective. `update_trial`, which calls it, is overridden.
- `Oracle._display`: prints the progress of a search. `create_trial` and
  `end_trial`, which call it, are overridden.
- `HyperParameters._space` and `_hps`, in `trials.copy_hyperparameters`.
"""

from __future__ import annotations

import collections
import itertools
import os
import pathlib
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import keras_tuner

from nasnet_keras import checks
from nasnet_keras.runs.interrupts import uninterrupted
from nasnet_keras.search.oracles import arguments, trials
from nasnet_keras.search.oracles.algorithm import (
    Actions,
    Algorithm,
    Notes,
    Record,
)
from nasnet_keras.search.oracles.core import Core
from nasnet_keras.search.oracles.leases import Leases, Leasing
from nasnet_keras.search.oracles.restoring import Restoring
from nasnet_keras.search.oracles.trials import Status
from nasnet_keras.search.spaces.space import SearchSpace


class SpaceOracle(Restoring, Leasing, keras_tuner.Oracle):
    """Proposes points of a `SearchSpace`, and resumes after a kill.

    A subclass implements `candidates(number)` and may implement
    `observe(record)`, or sets `algorithm` to an `Algorithm`. A point is
    proposed a second time only if all candidates are known.

    It works with any `keras_tuner.Tuner`. KerasTuner's own oracles can lose
    trials. Here an unfinished trial is proposed again after a restart (with
    the same values, unless trials ran in parallel and later ones have ended
    by then); a repeated result counts once; a finished trial is appended to
    a journal, no state file is rewritten; an exception leaves no lock behind;
    failures before a restart do not stop the search again.

    A hypermodel may have further hyperparameters, such as
    `hp.Float("lr", ...)`. They are not searched: every trial has their
    default, which is in its record.

    Args:
        space: `SearchSpace`.
        objective: String or `keras_tuner.Objective`; no list. Of several, the
            tuner must report one number, for example a `Reward`.
        max_trials: Integer, the total number of trials. It may change when a
            search is resumed.
        seed: Integer; 0 is a seed as well.
        context: Optional dictionary for JSON with everything else that
            defines this search (data, training recipe). A folder whose search
            has another context is refused.
        enqueue: Sequence of points (actions or values) that come first.
        warm_start: Optional path of an earlier search of the same space and
            reward, whose trials are observed before the first trial. They
            are copied into the folder. Their points may be evaluated again:
            the data may differ.
        limits: Optional function of a `Genotype`, with the space's settings
            as keyword arguments, that returns whether it may be proposed. It
            has a method `describe()` that returns a value for JSON; see
            `Limits`. It applies to enqueued points as well.
        max_retries_per_trial: Integer, how often a crashed trial is repeated.
            Its record says how often it was (`retries`).
        max_consecutive_failed_trials: Integer; this many failures in a row
            in this process stop the search with the last one's message.

    Raises:
        SearchMismatchError: At the first trial, if the project's folder holds
            another search.
        ValueError: At the first trial, if `warm_start` is no search of this
            space and reward; at any, if no architecture within the limits is
            found.

    Attributes:
        leases: `Leases`, for tuners in other processes: a trial of one that is
            lost is given to another.
    """

    _directory: Any = None
    _project_name: Any = None

    def __init__(
        self,
        space: SearchSpace,
        objective: Any = None,
        max_trials: int = 100,
        seed: int = 0,
        context: dict[str, Any] | None = None,
        enqueue: Sequence[Any] = (),
        warm_start: str | os.PathLike[str] | None = None,
        limits: Any = None,
        max_retries_per_trial: int = 0,
        max_consecutive_failed_trials: int = 3,
    ):
        arguments.check_space(space)
        arguments.check_objective(objective)
        max_trials = checks.integer("max_trials", max_trials, 1)
        seed = checks.seed(seed)
        failures = arguments.check_failures(
            max_retries_per_trial, max_consecutive_failed_trials
        )
        hyperparameters = keras_tuner.HyperParameters()
        for decision in space.decisions:
            hyperparameters.Choice(decision.name, list(decision.options))
        super().__init__(
            objective=objective
            or keras_tuner.Objective("val_accuracy", direction="max"),
            max_trials=max_trials,
            hyperparameters=hyperparameters,
            tune_new_entries=False,  # Those of a hypermodel get defaults.
            seed=seed,
            **failures,
        )
        self.space = space
        self.seed = seed  # The base class takes 0 for "no seed".
        self.context = arguments.check_context(context)
        self.warm_start = warm_start
        self.algorithm = Algorithm(space, seed, self.reward)
        # The core calls this oracle, which calls its algorithm: a subclass
        # may override any method.
        self.core = Core(self, enqueue, limits)
        self.trials = trials.Trials(self._to_trial)
        self._lock = threading.RLock()
        self._lowest_open = 0  # All lower numbers have a trial.
        self._notes: dict[str, Notes] = {}
        self._started: dict[str, float] = {}
        self._attempts: collections.Counter[str] = collections.Counter()
        self._retries: collections.deque[str] = collections.deque()
        self.leases = Leases()
        self._losses: collections.Counter[str] = collections.Counter()

    # The algorithm.

    @property
    def repeats(self) -> bool:
        """Whether the same point may be proposed again."""
        return self.algorithm.repeats

    @repeats.setter
    def repeats(self, value: bool) -> None:
        self.algorithm.repeats = value

    def candidates(self, number: int) -> Iterator[tuple[Actions, Notes]]:
        """Yields proposals for one trial, see `Algorithm.candidates`."""
        return self.algorithm.candidates(number)

    def notes_of(self, actions: Actions) -> Notes:
        """Returns the notes of a point that was enqueued."""
        return self.algorithm.notes_of(actions)

    def observe(self, record: Record) -> None:
        """Takes the record of an ended trial, see `Algorithm.observe`."""
        self.algorithm.observe(record)

    def reward(self, record: Record) -> float | None:
        """Returns a trial's score, larger is better; `None` if it failed."""
        if record["score"] is None:
            return None
        sign = 1 if self.objective.direction == "max" else -1
        return sign * record["score"]

    def describe(self) -> dict[str, Any]:
        """Returns the configuration that must not change within a search."""
        return {
            "oracle": type(self).__name__,
            "seed": self.seed,
            "objective": getattr(self.objective, "name", str(self.objective)),
            **self.core.describe(),
            **self.context,
            **self.algorithm.describe(),
        }

    def adopt(self, config: dict[str, Any]) -> None:
        """Takes the arguments that were not given from a `config.json`."""
        self.core.adopt(config)
        self.algorithm.adopt(config)

    @property
    def enqueued(self) -> list[Actions]:
        """The points that come first."""
        return self.core.enqueued

    @enqueued.setter
    def enqueued(self, points: list[Actions]) -> None:
        self.core.enqueued = points

    @property
    def limits(self) -> Any:
        """The limits on proposals; `None` without limits."""
        return self.core.limits

    @limits.setter
    def limits(self, limits: Any) -> None:
        self.core.limits = limits

    @property
    def records(self) -> list[Record]:
        """The records of the ended trials, in order."""
        return self.core.records

    @property
    def earlier(self) -> list[Record]:
        """The records of `warm_start`."""
        return self.core.earlier

    def _to_trial(self, record):
        return trials.to_trial(record, self.get_space(), self.objective)

    # The contract of `keras_tuner.Oracle`.

    def get_space(self):
        """Returns a copy of the space, as `keras_tuner.HyperParameters`."""
        return trials.copy_hyperparameters(self.hyperparameters)

    def create_trial(self, tuner_id):
        """Returns the next trial for a tuner, or one with status STOPPED."""
        with self._lock:
            self.restore()
            self.take_back()
            self.tuner_ids.add(tuner_id)
            self.leases.renew(tuner_id)
            if tuner_id in self.ongoing_trials:
                return self.ongoing_trials[tuner_id]
            trial = self._next_trial()
            self.leases.renew(tuner_id)  # The proposal may have taken long.
            if trial.status == Status.STOPPED:
                if self.leases.seconds is not None and self.ongoing_trials:
                    trial.status = Status.IDLE  # Another may be lost yet.
                else:
                    self.forget(tuner_id)
                return trial
            self.ongoing_trials[tuner_id] = trial
            self._started[trial.trial_id] = time.monotonic()
            self._display.on_trial_begin(trial)
            return trial

    @property
    def finished(self) -> bool:
        """Whether all trials have ended."""
        with self._lock:
            return len(self.end_order) >= self.max_trials

    def _next_trial(self):
        if self._retries:
            trial = self.trials[self._retries.popleft()]
            trial.status = Status.RUNNING
            return trial
        # A parallel search that was killed may have left gaps.
        while trials.trial_id(self._lowest_open) in self.trials:
            self._lowest_open += 1
        number = self._lowest_open
        trial_id = trials.trial_id(number)
        hyperparameters = self.get_space()
        if number >= self.max_trials:
            return trials.Trial(hyperparameters, trial_id, Status.STOPPED)
        while self.algorithm.learn():
            self._ledger.write_snapshot(self.algorithm.snapshot())
        actions, self._notes[trial_id] = self.core.propose(number)
        hyperparameters.values = self.space.to_values(actions)
        trial = trials.Trial(hyperparameters, trial_id, Status.RUNNING)
        self.trials[trial_id] = trial
        self.start_order.append(trial_id)
        return trial

    def update_trial(self, trial_id, metrics, step=0):
        """Takes a trial's metrics; returns the trial."""
        with self._lock:
            trial = self.trials[trial_id]
            if set(metrics) != {trials.CURVE}:  # Reported before the objective.
                self._check_objective_found(metrics)
            for name, value in metrics.items():
                if not trial.metrics.exists(name):
                    direction = trials.direction_of(self.objective, name)
                    trial.metrics.register(name, direction)
                trial.metrics.update(name, value, step=step)
            return trial

    def end_trial(self, trial):
        """Records a trial that ended, or sends a crashed one for retry."""
        with uninterrupted(), self._lock:
            if self.trials.has_ended(trial.trial_id):
                return
            ours = self.trials[trial.trial_id]
            ours.hyperparameters = trial.hyperparameters
            ours.status, ours.message = trial.status, trial.message
            if trial.trial_id in self._retries:  # Its worker was not lost.
                self._retries.remove(trial.trial_id)
            self.update_space(trial.hyperparameters)
            if ours.status == Status.COMPLETED:
                self._score(ours)
            self._remove_ongoing(trial.trial_id)
            if self._should_retry(ours):
                self._repeat(ours)
                return
            try:
                self._record(ours)
            except OSError:  # A full disk: the trial has not ended.
                self._repeat(ours)
                raise
            self._display.on_trial_end(ours)
            self._stop_after_failures()

    def _score(self, trial):
        problem = trials.why_no_score(trial, self.objective.name)
        if problem is None:
            self.score_trial(trial)
            problem = trials.why_no_number(trial.score, self.objective.name)
        if problem is not None:
            trial.score = None
            trial.status, trial.message = Status.INVALID, problem

    def _repeat(self, trial):
        trial.metrics = type(trial.metrics)()
        self._retries.append(trial.trial_id)

    def _remove_ongoing(self, trial_id):
        for tuner_id, ongoing in list(self.ongoing_trials.items()):
            if ongoing.trial_id == trial_id:
                del self.ongoing_trials[tuner_id]

    def _should_retry(self, trial):
        self._attempts[trial.trial_id] += 1
        if trial.status != Status.INVALID:
            return False
        if self._attempts[trial.trial_id] <= self.max_retries_per_trial:
            return True
        trial.status = Status.FAILED
        return False

    def _record(self, trial):
        now = time.monotonic()
        seconds = now - self._started.get(trial.trial_id, now)
        notes = self._notes.get(trial.trial_id, {})
        starts = self._attempts[trial.trial_id] + self._losses[trial.trial_id]
        retries = max(0, starts - 1)
        record = trials.to_record(trial, notes, seconds, retries)
        self._ledger.append(record)
        self._started.pop(trial.trial_id, None)
        self._notes.pop(trial.trial_id, None)
        self._attempts.pop(trial.trial_id, None)
        self._losses.pop(trial.trial_id, None)
        self._observe(record)

    def _stop_after_failures(self):
        limit = self.max_consecutive_failed_trials
        first = max(self._restored, len(self.records) - limit)
        last = self.records[first:]
        if len(last) == limit and all(
            record["status"] == Status.FAILED for record in last
        ):
            raise RuntimeError(
                f"{limit} trials in a row failed; the search stops. The last "
                f"one's message:\n{last[-1].get('message', '')}"
            )

    def get_best_trials(self, num_trials=1):
        """Returns the trials with the best scores, best first.

        Only if there are fewer, trials without a score follow.
        """
        with self._lock:
            self._restore_once()
            if num_trials == 1 and self._best is not None:
                return [self._to_trial(self._best)]  # After each trial.
            scored = [r for r in self.records if r["score"] is not None]
            scored.sort(key=self.reward, reverse=True)
            best = map(self._to_trial, scored)
            others = (t for t in self.trials.values() if t.score is None)
            return list(
                itertools.islice(itertools.chain(best, others), num_trials)
            )

    def remaining_trials(self) -> int:
        """Returns how many trials are still to be proposed."""
        with self._lock:
            self._restore_once()
            return max(0, self.max_trials - len(self.trials))

    def save(self):
        """Does nothing: every trial is on disk when `end_trial` returns."""

    def reload(self):
        """Reads the project's folder, see `restore`."""
        self.restore()

    # The folder.

    @property
    def folder(self) -> pathlib.Path:
        """Path of the project. A tuner sets it; without a tuner, assign it."""
        if self._directory is None or self._project_name is None:
            raise RuntimeError("The oracle has no folder before its Tuner.")
        return pathlib.Path(self._directory, self._project_name)

    @folder.setter
    def folder(self, path: str | os.PathLike[str]) -> None:
        path = pathlib.Path(path)
        self._set_project_dir(path.parent, path.name)
