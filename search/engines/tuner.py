"""The tuner that evaluates cells."""

from __future__ import annotations

import functools
import os
import time
import traceback
from collections.abc import Callable
from typing import Any

import keras_tuner

from nasnet_keras.genotypes import Genotype
from nasnet_keras.search.engines import chief
from nasnet_keras.search.engines.log import WorkerLog
from nasnet_keras.search.engines.parallel import Task, as_they_end
from nasnet_keras.search.evaluators.evaluator import Evaluator, EvaluatorError
from nasnet_keras.search.oracles.adapter import SpaceOracle
from nasnet_keras.search.oracles.trials import CURVE, Status


class CellTuner(keras_tuner.Tuner):
    """Runs the trials of an oracle over a space of cells.

    The trials alone: `nasnet_keras.search.search` also runs the later stages,
    in which the best are judged again. An evaluator with several workers has
    as many trials at a time; each proposal then follows from the trials that
    have ended.

    Args:
        oracle: `SpaceOracle` whose space implements `make_cells`.
        evaluator: `Evaluator`; `TrainFromScratch` is one.
        directory: Path of the folder above the project's.
        project_name: Name of the project's folder. It holds
            `trials.jsonl`, one line for each ended trial.
        after_trial: Optional function of the `Trial`, called when it ended.

    Raises:
        ValueError: If an argument is of another kind, or the evaluator
            cannot evaluate the points of the space.

    Example:

        dataset = load_dataset("digits")
        oracle = PPOOracle(NASNetSpace(), max_trials=40)
        tuner = CellTuner(oracle, TrainFromScratch(dataset), "runs", "first")
        tuner.search()
        tuner.best_genotypes()[0]
    """

    def __init__(
        self,
        oracle: SpaceOracle,
        evaluator: Evaluator,
        directory: str | os.PathLike[str] | None = None,
        project_name: str | None = None,
        after_trial: Callable[[Any], None] | None = None,
    ):
        for name, value, kind in (
            ("oracle", oracle, SpaceOracle),
            ("evaluator", evaluator, Evaluator),
        ):
            if not isinstance(value, kind):
                raise ValueError(
                    f"`{name}` must be a {kind.__name__}. Received: "
                    f"{name}={value!r}"
                )
        evaluator.check(oracle.space)
        self.space = oracle.space
        self.identity = chief.identity(oracle) if chief.is_worker() else ""
        self.evaluator = evaluator
        self.after_trial = after_trial
        super().__init__(oracle, directory=directory, project_name=project_name)

    def run_trial(self, trial, verbose=None):
        """Evaluates one trial; returns its metrics, `reward` among them.

        Args:
            trial: The `Trial`.
            verbose: The argument of `search`, which the oracle uses.

        Raises:
            keras_tuner.errors.FatalError: If no genotype can be evaluated.
                KerasTuner then stops, and no trial counts as failed.
        """
        try:
            evaluation = self._evaluation(trial)
        except EvaluatorError as error:
            raise keras_tuner.errors.FatalRuntimeError(str(error)) from error
        return self._report(trial, evaluation)

    def _report(self, trial, evaluation):
        """Hands the curve to the oracle; returns the metrics."""
        for epoch, accuracy in enumerate(evaluation.curve):
            self.oracle.update_trial(
                trial.trial_id, {CURVE: accuracy}, step=epoch
            )
        return {"reward": evaluation.reward, **evaluation.measurements}

    def search(self, *args, **kwargs):
        """Runs the remaining trials.

        A chief of KerasTuner's hands them to its workers, and returns when all
        have ended; a worker returns when there are no more.

        Raises:
            ValueError: If the evaluator needs what workers do not have.
            RuntimeError: If too many trials failed.
        """
        if chief.is_worker():
            self._search_as_worker()
            return
        self.oracle.restore()
        self.evaluator.resume(self.oracle.folder, self.oracle.records)
        if chief.is_chief():
            self.evaluator.check_alone("A worker of KerasTuner's chief")
            chief.serve(self.oracle, self.after_trial)
        elif self.evaluator.workers == 1:
            super().search(*args, **kwargs)
        else:
            self._search_in_parallel()

    def _search_as_worker(self):
        self.evaluator.check_alone("A worker of KerasTuner's chief")
        self.evaluator.resume(None, [])
        log = WorkerLog(self.project_dir, self.tuner_id)
        self.on_search_begin()
        chief.work(
            self.oracle,
            self.tuner_id,
            self.identity,
            functools.partial(self._evaluate, log),
        )
        self.on_search_end()

    def _evaluate(self, log, trial):
        """Returns what a trial found, for the chief."""
        name, began = f"trial {int(trial.trial_id)}", time.monotonic()
        log.write("begun", name)
        result = {"metrics": {}, "curve": [], "message": None, "fatal": None}
        try:
            found = self._evaluation(trial)
            measured = {"reward": found.reward, **found.measurements}
            result["metrics"] = {k: float(v) for k, v in measured.items()}
            result["curve"] = list(map(float, found.curve))
            trial.status = Status.COMPLETED
        except EvaluatorError as error:
            result["fatal"] = str(error)
        except Exception:
            trial.status = Status.INVALID
            result["message"] = f"{traceback.format_exc()}\n{log}"
        problem = result["fatal"] or result["message"]
        seconds = round(time.monotonic() - began, 3)
        event = "failed" if problem else "ended"
        log.write(event, name, seconds=seconds, message=problem)
        return result

    def _evaluation(self, trial):
        values = trial.hyperparameters.values
        settings = self.space.to_settings(values)
        return self.evaluator(self._genotype(trial), **settings)

    def _search_in_parallel(self):
        self.on_search_begin()
        try:
            self._report_all()
        except BaseException:
            # Python would wait for the children that run before it ends.
            self.evaluator.close()
            raise
        self.on_search_end()

    def _report_all(self):
        for trial, future in as_they_end(self.evaluator, self._next_task):
            try:
                metrics = self._report(trial, future.result())
                self.oracle.update_trial(trial.trial_id, metrics)
                trial.status = Status.COMPLETED
            except EvaluatorError:  # Concerns all: this one has not failed.
                raise
            except Exception:
                trial.status = Status.INVALID
                trial.message = traceback.format_exc()
            self.on_trial_end(trial)

    def _next_task(self):
        """Returns the task of the oracle's next trial, if there is one."""
        # Any name that has no trial at present.
        numbers = range(self.evaluator.workers)
        busy = self.oracle.ongoing_trials
        name = next(name for name in map(str, numbers) if name not in busy)
        trial = self.oracle.create_trial(name)
        if trial.status == Status.STOPPED:
            return None
        self.on_trial_begin(trial)
        values = trial.hyperparameters.values
        settings = self.space.to_settings(values)
        name = f"trial {int(trial.trial_id)}"
        return Task(trial, self._genotype(trial), settings, name)

    def _genotype(self, trial):
        return self.space.to_genotype(trial.hyperparameters.values)

    def on_trial_end(self, trial):
        """Passes the ended trial to the oracle, then to `after_trial`."""
        super().on_trial_end(trial)
        if self.after_trial:
            self.after_trial(self.oracle.get_trial(trial.trial_id))

    def best_genotypes(self, number: int = 1) -> list[Genotype]:
        """Returns the genotypes of the best completed trials, best first.

        Raises:
            RuntimeError: In a worker of KerasTuner's: its chief knows them.
        """
        if chief.is_worker():
            raise RuntimeError("The chief has the results, not its workers.")
        trials = [
            trial
            for trial in self.oracle.get_best_trials(number)
            if trial.score is not None
        ]
        return [self._genotype(trial) for trial in trials]

    def save(self):
        """Does nothing: the oracle keeps all state on disk."""

    def reload(self):
        """Resumes the search in the project's folder."""
        self.oracle.restore()
