"""The base of our `keras_tuner.Oracle` subclasses: it never forgets.

What an oracle knows is the journal of its ended trials, `trials.jsonl`, and
`config.json`, which says what is searched. All else (best trials, policy)
follows from them: a proposal is a function of the seed, its number and the
trials that ended before it. A process killed at any moment
and started again goes on as if nothing had happened.
"""

import hashlib
import itertools
import json
import math
import pathlib
import threading
import time

import keras_tuner
import numpy as np
from keras_tuner.engine import trial as trial_module

from nasnet_keras.runs.files import write_atomically
from nasnet_keras.runs.folder import differences
from nasnet_keras.runs.interrupts import uninterrupted
from nasnet_keras.search.oracles.journal import Journal

JOURNAL = "trials.jsonl"
CONFIG = "config.json"
EARLIER = "warm_start.jsonl"
# The metric of which a trial's record keeps each step.
CURVE = "curve"
# How many candidates are looked at for one trial.
CANDIDATES = 10000
_Status = trial_module.TrialStatus


class SearchMismatchError(ValueError):
    """The folder holds a search of something else."""


class SpaceOracle(keras_tuner.Oracle):
    """Proposes points of a `SearchSpace`, and resumes after a kill.

    Subclasses implement `candidates(number)` and may implement
    `observe(record)`. A point is proposed a second time only where all
    candidates are known.
    Works with any `keras_tuner.Tuner`. It differs from KerasTuner's own
    oracles where those lose trials: an unfinished trial is proposed again
    after a restart (with the same values, unless trials ran in parallel and
    later ones have ended by then); a result that comes twice counts once; no
    state file is rewritten whole; an exception leaves no lock behind; failures
    that stopped a search do not stop it again once their cause is gone.

    Args:
        space: `SearchSpace`.
        objective: String, `keras_tuner.Objective` or list, as for
            `keras_tuner.Oracle`.
        max_trials: Integer, the trials of the whole search. May differ when
            a search is taken up again.
        seed: Integer; 0 is a seed like any other.
        context: Optional dictionary that JSON can hold: whatever else makes
            this search what it is (data, training recipe). A folder whose
            search had another is refused.
        enqueue: Sequence of points (actions or values) that come first.
        warm_start: Optional path of an earlier search of the same space and
            reward, whose trials this one has learnt from before its first.
            They are copied into its folder. What was found there may be
            evaluated again: the data may be others.
        limits: Optional function of a `Genotype`, and of what rides along as
            keyword arguments, that tells whether it may be proposed, with a
            method `describe()` that JSON can hold; see `Limits`. It holds for
            what is enqueued, too.
        max_retries_per_trial: Integer, how often a crashed trial is repeated.
        max_consecutive_failed_trials: Integer; as many failures in a row,
            since it was taken up, stop the search with the last one's message.

    Raises:
        SearchMismatchError: At the first trial, if the project's folder holds
            another search.
        ValueError: At the first trial, if `warm_start` is no search of this
            space and reward; at any, if no architecture within the limits is
            found.
    """

    # Whether the same point may be proposed again.
    repeats = False

    def __init__(
        self,
        space,
        objective=None,
        max_trials=100,
        seed=0,
        context=None,
        enqueue=(),
        warm_start=None,
        limits=None,
        max_retries_per_trial=0,
        max_consecutive_failed_trials=3,
    ):
        if not isinstance(max_trials, int) or max_trials < 1:
            raise ValueError(
                "`max_trials` must be a positive integer. "
                f"Received: max_trials={max_trials!r}"
            )
        hyperparameters = keras_tuner.HyperParameters()
        for decision in space.decisions:
            hyperparameters.Choice(decision.name, list(decision.options))
        super().__init__(
            objective=objective
            or keras_tuner.Objective("val_accuracy", direction="max"),
            max_trials=max_trials,
            hyperparameters=hyperparameters,
            seed=seed,
            max_retries_per_trial=max_retries_per_trial,
            max_consecutive_failed_trials=max_consecutive_failed_trials,
        )
        self.space = space
        self.seed = seed  # The base class takes 0 for "no seed".
        self.context = context or {}
        self.limits = limits
        self.enqueued = [self._enqueue(point) for point in enqueue]
        self.warm_start = warm_start
        self.earlier = []
        self.records = []
        self._known = set()
        self._lowest_open = 0
        self._replayed = 0  # Trials that ended in an earlier process.
        self._proposals = {}
        self._started = {}
        self._lock = threading.RLock()
        self._journal = None

    # What a subclass decides.

    def candidates(self, number):
        """Yields proposals for the trial of that number, the best first.

        The first that is new and within the limits is taken; if none of them
        is new, the first within the limits.

        Args:
            number: Integer from 0.

        Yields:
            Pairs: tuple of option indices; dictionary that JSON can hold, kept
            with the trial's record.
        """
        raise NotImplementedError

    def notes_of(self, actions):
        """Returns the notes of a point that was enqueued."""
        return {}

    def observe(self, record):
        """Learns from an ended trial. Called in the journal's order.

        Args:
            record: Dictionary: `trial` (number), `status`, `score` (float or
                `None` if it failed), `values`, and the proposal's notes.
        """

    def reward(self, record):
        """Returns a trial's score, larger is better; `None` if it failed."""
        if record["score"] is None:
            return None
        sign = 1 if self.objective.direction == "max" else -1
        return sign * record["score"]

    def describe(self):
        """Returns what must not differ when a search is taken up again."""
        return {
            "oracle": type(self).__name__,
            "seed": self.seed,
            "objective": getattr(self.objective, "name", str(self.objective)),
            "space": self.space.to_dict(),
            "cells": _digest_of_cells(self.space),
            **({"limits": self.limits.describe()} if self.limits else {}),
            **({"enqueued": self.enqueued} if self.enqueued else {}),
            **self.context,
        }

    # The contract of `keras_tuner.Oracle`.

    def create_trial(self, tuner_id):
        """Returns the next trial for a tuner, or one with status STOPPED."""
        with self._lock:
            self.restore()
            if tuner_id in self.ongoing_trials:
                return self.ongoing_trials[tuner_id]
            trial = self._next_trial()
            if trial.status == _Status.STOPPED:
                self.tuner_ids.discard(tuner_id)
                return trial
            self.tuner_ids.add(tuner_id)
            self.ongoing_trials[tuner_id] = trial
            self._started[trial.trial_id] = time.time()
            self._display.on_trial_begin(trial)
            return trial

    def _next_trial(self):
        if self._retry_queue:
            trial = self.trials[self._retry_queue.pop(0)]
            trial.status = _Status.RUNNING
            return trial
        # A parallel search that was killed may have left gaps.
        while self._trial_id(self._lowest_open) in self.trials:
            self._lowest_open += 1
        number = self._lowest_open
        if number >= self.max_trials:
            return trial_module.Trial(
                self.get_space(), self._trial_id(number), _Status.STOPPED
            )
        actions, notes = self._propose(number)
        self._known.add(actions)
        values = self.space.to_values(actions)
        trial_id = self._trial_id(number)
        self._proposals[trial_id] = notes
        hyperparameters = self.get_space()
        hyperparameters.values = values
        trial = trial_module.Trial(hyperparameters, trial_id, _Status.RUNNING)
        self.trials[trial_id] = trial
        self.start_order.append(trial_id)
        return trial

    def _enqueue(self, point):
        """The actions of a point; checked."""
        values = point
        if not isinstance(point, dict):
            values = self.space.to_values(point)
        actions = self.space.to_actions(values)
        if not self._within(actions):
            raise ValueError(
                "`enqueue` must hold points within the limits "
                f"{self.limits.describe()}. Received: {values}"
            )
        return actions

    def _propose(self, number):
        if number < len(self.enqueued):
            actions = self.enqueued[number]
            return actions, {"enqueued": True, **self.notes_of(actions)}
        allowed, looked_at = None, 0
        for actions, notes in itertools.islice(
            self.candidates(number), CANDIDATES
        ):
            looked_at += 1
            new = self.repeats or actions not in self._known
            if (new or allowed is None) and self._within(actions):
                if new:
                    return actions, notes
                allowed = actions, notes
        return allowed or self._any_within(number, CANDIDATES - looked_at)

    def _within(self, actions):
        if self.limits is None:
            return True
        values = self.space.to_values(actions)
        genotype = self.space.to_genotype(values)
        return self.limits(genotype, **self.space.to_settings(values))

    def _any_within(self, number, attempts):
        """A random point, where the search finds none within the limits."""
        for attempt in range(attempts):
            actions = random_actions(self.space, [self.seed, number, attempt])
            if self._within(actions):
                return actions, self.notes_of(actions)
        raise ValueError(
            f"None of {CANDIDATES:,} architectures is within the limits "
            f"{self.limits.describe()}. Raise them, or make the networks "
            "smaller."
        )

    @staticmethod
    def _trial_id(number):
        return f"{number:05d}"

    def update_trial(self, trial_id, metrics, step=0):
        """Takes a trial's metrics; returns the trial."""
        with self._lock:
            trial = self.trials[trial_id]
            if set(metrics) != {CURVE}:  # It comes before the rest.
                self._check_objective_found(metrics)
            for name, value in metrics.items():
                if not trial.metrics.exists(name):
                    trial.metrics.register(name, self._direction(name))
                trial.metrics.update(name, value, step=step)
            return trial

    def _direction(self, name):
        objectives = getattr(self.objective, "objectives", [self.objective])
        for objective in objectives:
            if objective.name == name:
                return objective.direction
        return "max"

    def end_trial(self, trial):
        """Records a trial that ended, or sends a crashed one for retry."""
        with uninterrupted(), self._lock:
            ours = self.trials[trial.trial_id]
            if trial.trial_id in self.end_order:
                return
            ours.hyperparameters = trial.hyperparameters
            ours.status, ours.message = trial.status, trial.message
            self.update_space(trial.hyperparameters)
            if ours.status == _Status.COMPLETED:
                self._score(ours)
            self._forget_ongoing(trial.trial_id)
            self._run_times[trial.trial_id] += 1
            if self._should_retry(ours):
                ours.metrics = type(ours.metrics)()
                self._retry_queue.append(ours.trial_id)
                return
            self._record(ours)
            self._display.on_trial_end(ours)
            self._check_consecutive_failures()

    def _check_consecutive_failures(self):
        most = self.max_consecutive_failed_trials
        last = self.end_order[self._replayed :][-most:]
        trials = [self.trials[trial_id] for trial_id in last]
        if len(trials) == most and all(
            trial.status == _Status.FAILED for trial in trials
        ):
            raise RuntimeError(
                f"{most} trials in a row failed; the search stops. The last "
                f"one's message:\n{trials[-1].message or ''}"
            )

    def _score(self, trial):
        name = self.objective.name
        history = (
            trial.metrics.get_history(name)
            if trial.metrics.exists(name)
            else []
        )
        values = [value for entry in history for value in entry.value]
        if any(math.isfinite(value) for value in values):
            self.score_trial(trial)
            return
        trial.status = _Status.INVALID
        trial.message = f"{name} is not a finite number: {values}"

    def _forget_ongoing(self, trial_id):
        for tuner_id, ongoing in list(self.ongoing_trials.items()):
            if ongoing.trial_id == trial_id:
                del self.ongoing_trials[tuner_id]

    def _should_retry(self, trial):
        if trial.status != _Status.INVALID:
            return False
        if self._run_times[trial.trial_id] <= self.max_retries_per_trial:
            return True
        trial.status = _Status.FAILED
        return False

    def _record(self, trial):
        began = self._started.pop(trial.trial_id, time.time())
        record = {
            "trial": int(trial.trial_id),
            "status": str(trial.status),
            "score": trial.score,
            "metrics": self._metric_values(trial),
            "seconds": round(time.time() - began, 3),
            "ended": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            **self._proposals.pop(trial.trial_id, {}),
            "values": trial.hyperparameters.values,
        }
        if trial.metrics.exists(CURVE):
            history = trial.metrics.get_history(CURVE)
            record[CURVE] = [entry.value[0] for entry in history]
        if trial.message:
            record["message"] = trial.message
        self._journal.append(record)
        self.records.append(record)
        self.end_order.append(trial.trial_id)
        self.observe(record)

    @staticmethod
    def _metric_values(trial):
        metrics = trial.metrics.metrics
        return {
            name: metrics[name].get_last_value()
            for name in metrics
            if name != CURVE
        }

    def get_best_trials(self, num_trials=1):
        """Returns the completed trials with the best scores, best first."""
        with self._lock:
            self.restore()
            return super().get_best_trials(num_trials)

    def remaining_trials(self):
        """Returns how many trials are still to be proposed."""
        with self._lock:
            self.restore()
            return max(0, self.max_trials - len(self.trials))

    def save(self):
        """Does nothing: every trial is on disk when `end_trial` returns."""

    def reload(self):
        """Reads the project's folder, see `restore`."""
        self.restore()

    # The folder.

    @property
    def folder(self):
        """`pathlib.Path` of the project, as the tuner set it."""
        if self._directory is None or self._project_name is None:
            raise RuntimeError("The oracle has no folder before its Tuner.")
        return pathlib.Path(self._directory, self._project_name)

    _directory = _project_name = None

    def restore(self):
        """Takes up the search in the project's folder, or begins it.

        It is called by itself before the first trial; a second call does
        nothing.

        Raises:
            SearchMismatchError: If the folder holds another search.
            RuntimeError: If another process is at work in it.
        """
        with self._lock:
            if self._journal is not None:
                return
            self._check_config()
            self._journal = Journal(self.folder / JOURNAL)
            for line in self._earlier_lines().splitlines():
                self.earlier.append(json.loads(line))
                self.observe(self.earlier[-1])
            for record in self._journal.read():
                self._replay(record)
            self._replayed = len(self.end_order)

    def _earlier_lines(self):
        path = self.folder / EARLIER
        return path.read_bytes() if path.is_file() else b""

    def _given_lines(self):
        """The journal of `warm_start`, checked; empty without one."""
        if self.warm_start is None:
            return b""
        path = pathlib.Path(self.warm_start, JOURNAL)
        if not path.is_file():
            raise ValueError(
                "`warm_start` must be the folder of a search. Received: "
                f"{self.warm_start}, which has no {JOURNAL}"
            )
        self._check_rewards(path.with_name(CONFIG))
        content = path.read_bytes()
        content = content[: content.rfind(b"\n") + 1]
        for line in content.splitlines():
            try:
                self.space.to_actions(json.loads(line)["values"])
            except ValueError as error:
                raise ValueError(
                    f"{self.warm_start} is a search of another space: {error}"
                ) from error
        return content

    def _check_rewards(self, config):
        """Refuses an earlier search whose rewards are not of one scale."""
        theirs = json.loads(config.read_text()) if config.is_file() else {}
        ours = json.loads(json.dumps(self.describe()))
        for key in ("objective", "evaluator", "reward"):
            if key in theirs and key in ours and theirs[key] != ours[key]:
                raise ValueError(
                    "`warm_start` must be a search for the same reward. "
                    f"{self.warm_start} has {key} {theirs[key]!r}, this one "
                    f"{ours[key]!r}"
                )

    def adopt(self, config):
        """Takes from the folder's `config.json` what its user left open."""
        if not self.enqueued:
            self.enqueued = [tuple(p) for p in config.get("enqueued", ())]

    def _check_config(self):
        path = self.folder / CONFIG
        if path.exists():
            theirs = json.loads(path.read_text())
            self.adopt(theirs)
            ours = json.loads(json.dumps(self.describe()))
            differing = list(differences(theirs, ours))
            if differing:
                raise SearchMismatchError(
                    f"{self.folder} holds another search. It differs in:\n"
                    + "\n".join(f"  {line}" for line in differing)
                    + "\nNothing was changed. Give another folder, or the "
                    "same settings."
                )
            given = self.warm_start is not None and self._given_lines()
            earlier = self._earlier_lines()
            if given and not (earlier and given.startswith(earlier)):
                raise SearchMismatchError(
                    f"{self.folder} did not start from {self.warm_start}. "
                    "Nothing was changed. Give another folder."
                )
        elif (self.folder / JOURNAL).exists():
            raise SearchMismatchError(
                f"{self.folder} has a {JOURNAL} but no {CONFIG}: it is no "
                "folder of a search, or an incomplete copy of one."
            )
        else:
            if earlier := self._given_lines():
                write_atomically(self.folder / EARLIER, earlier)
            write_atomically(path, json.dumps(self.describe(), indent=1) + "\n")

    def _replay(self, record):
        trial_id = self._trial_id(record["trial"])
        if trial_id in self.trials:
            return
        hyperparameters = self.get_space()
        hyperparameters.values = record["values"]
        trial = trial_module.Trial(hyperparameters, trial_id, record["status"])
        trial.score, trial.message = record["score"], record.get("message")
        for name, value in record["metrics"].items():
            trial.metrics.register(name, self._direction(name))
            trial.metrics.update(name, value, step=0)
        self.trials[trial_id] = trial
        self.start_order.append(trial_id)
        self.end_order.append(trial_id)
        self.records.append(record)
        self._known.add(self.space.to_actions(record["values"]))
        self.observe(record)

    def close(self):
        """Releases the folder to other processes."""
        if self._journal is not None:
            self._journal.close()


def _digest_of_cells(space):
    """A digest of the cells of some points; `None` of a space without cells.

    Spaces of the same decisions may make other cells of them.
    """
    points = [random_actions(space, seed) for seed in range(8)]
    try:
        cells = [space.to_genotype(point).to_dict() for point in points]
    except NotImplementedError:
        return None
    text = json.dumps(cells, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def random_actions(space, seed):
    """Returns a random point: every option of a decision equally likely.

    Args:
        space: `SearchSpace`.
        seed: What `numpy.random.default_rng` takes.
    """
    rng = np.random.default_rng(seed)
    return tuple(int(rng.integers(size)) for size in space.sizes)
