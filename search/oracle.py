"""`keras_tuner.Oracle` subclasses: the base that never forgets, and random.

What an oracle knows is the journal of its ended trials, `trials.jsonl`, and
`config.json`, which says what is searched. All else (best trials, policy)
follows from them: a proposal is a function of the seed, its number and the
policy, and the policy of the trials before it. A process killed at any moment
and started again goes on as if nothing had happened.
"""

import json
import math
import pathlib
import threading
import time

import keras_tuner
import numpy as np
from keras_tuner.engine import trial as trial_module

from nasnet_keras.files import write_atomically
from nasnet_keras.run_folder import differences
from nasnet_keras.search.journal import Journal, uninterrupted

JOURNAL = "trials.jsonl"
CONFIG = "config.json"
_Status = trial_module.TrialStatus


class SearchMismatchError(ValueError):
    """The folder holds a search of something else."""


class SpaceOracle(keras_tuner.Oracle):
    """Proposes points of a `SearchSpace`, and resumes after a kill.

    Subclasses implement `propose(number)` and may implement `observe(record)`.
    Works with any `keras_tuner.Tuner`. It differs from KerasTuner's own
    oracles where those lose trials: an unfinished trial is proposed again
    after a restart, with the same values; a result that comes twice counts
    once; no state file is rewritten whole; an exception leaves no lock behind.

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
        max_retries_per_trial: Integer, how often a crashed trial is repeated.
        max_consecutive_failed_trials: Integer; as many failures in a row stop
            the search with the last one's message.

    Raises:
        SearchMismatchError: At the first trial, if the project's folder holds
            another search.
    """

    def __init__(
        self,
        space,
        objective=None,
        max_trials=100,
        seed=0,
        context=None,
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
        self.records = []
        self._lowest_open = 0
        self._proposals = {}
        self._started = {}
        self._lock = threading.RLock()
        self._journal = None

    # What a subclass decides.

    def propose(self, number):
        """Returns `(actions, notes)` for the trial of that number.

        Args:
            number: Integer from 0.

        Returns:
            Pair: tuple of option indices; dictionary that JSON can hold, kept
            with the trial's record.
        """
        raise NotImplementedError

    def observe(self, record):
        """Learns from an ended trial. Called in the journal's order.

        Args:
            record: Dictionary: `trial` (number), `status`, `score` (float or
                `None` if it failed), `values`, and the proposal's notes.
        """

    def describe(self):
        """Returns what must not differ when a search is taken up again."""
        return {
            "oracle": type(self).__name__,
            "seed": self.seed,
            "objective": getattr(self.objective, "name", str(self.objective)),
            "space": self.space.to_dict(),
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
        actions, notes = self.propose(number)
        values = self.space.to_values(actions)
        trial_id = self._trial_id(number)
        self._proposals[trial_id] = notes
        hyperparameters = self.get_space()
        hyperparameters.values = values
        trial = trial_module.Trial(hyperparameters, trial_id, _Status.RUNNING)
        self.trials[trial_id] = trial
        self.start_order.append(trial_id)
        return trial

    @staticmethod
    def _trial_id(number):
        return f"{number:05d}"

    def update_trial(self, trial_id, metrics, step=0):
        """Takes a trial's metrics; returns the trial."""
        with self._lock:
            trial = self.trials[trial_id]
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
        if trial.message:
            record["message"] = trial.message
        self._journal.append(record)
        self.records.append(record)
        self.end_order.append(trial.trial_id)
        self.observe(record)

    @staticmethod
    def _metric_values(trial):
        metrics = trial.metrics.metrics
        return {name: metrics[name].get_last_value() for name in metrics}

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
            for record in self._journal.read():
                self._replay(record)

    def adopt(self, config):
        """Called with the folder's `config.json` before it is compared.

        A subclass may take from it what its user left open.
        """

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
        elif (self.folder / JOURNAL).exists():
            raise SearchMismatchError(
                f"{self.folder} has a {JOURNAL} but no {CONFIG}: it is no "
                "folder of a search, or an incomplete copy of one."
            )
        else:
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
        self.observe(record)

    def close(self):
        """Releases the folder to other processes."""
        if self._journal is not None:
            self._journal.close()


class RandomOracle(SpaceOracle):
    """Random search: every option of every decision is equally likely.

    Args: those of `SpaceOracle`.
    """

    def propose(self, number):
        rng = np.random.default_rng([self.seed, number])
        return tuple(int(rng.integers(size)) for size in self.space.sizes), {}
