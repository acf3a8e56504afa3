"""A search in its folder, in one call."""

import contextlib
import functools
import os
import pathlib
from collections.abc import Callable
from typing import Any

import keras_tuner

from nasnet_keras import checks
from nasnet_keras.runs.optional import require
from nasnet_keras.search.engines.tuner import CellTuner
from nasnet_keras.search.evaluators.evaluator import Evaluator
from nasnet_keras.search.evaluators.from_scratch import TrainFromScratch
from nasnet_keras.search.oracles import find_oracle
from nasnet_keras.search.results import SearchResults
from nasnet_keras.search.spaces import NASNetSpace, SearchSpace
from nasnet_keras.training.data.dataset import Dataset


def search(
    dataset: Dataset | None,
    directory: str | os.PathLike[str],
    trials: int = 100,
    space: SearchSpace | None = None,
    oracle: str = "ppo",
    evaluator: Evaluator | None = None,
    seed: int = 0,
    progress: Callable[[Any], Any] | None = None,
    **options: Any,
) -> SearchResults:
    """Searches for cells, or resumes a search that was stopped.

    Args:
        dataset: `nasnet_keras.training.data.dataset.Dataset`, see
            `load_dataset`. Only the default evaluator uses it.
        directory: Path of the search's folder. Every finished trial is saved
            there: the same call resumes the search.
        trials: Integer, the total number of trials.
        space: `SearchSpace`. Defaults to the paper's, `NASNetSpace()`.
        oracle: `"ppo"`, `"reinforce"`, `"random"`, `"evolution"` or
            `"predictor"`.
        evaluator: `Evaluator`. Defaults to `TrainFromScratch(dataset)` in
            this process. With TensorFlow its memory grows with each child:
            for hundreds of trials use `Isolated(TrainFromScratch(dataset))`.
        seed: Integer.
        progress: Optional function of the oracle that returns a context
            manager with a method `update(trial)`.
        options: Further arguments of the oracle, such as `enqueue`,
            `warm_start`, `limits` or `population_size`.

    Returns:
        `SearchResults`.

    Raises:
        ValueError: If an argument is out of range.
        SearchMismatchError: If the folder holds another search.
        RuntimeError: If no trial was completed.
        ImportError: If a package that the search needs is missing.

    Example:

        results = search(load_dataset("flowers"), "runs/flowers", trials=40)
        print(results.genotypes(3))
    """
    require("The search", ["matplotlib"], "search")
    directory = pathlib.Path(os.path.abspath(directory))
    trials, seed = checks.integer("trials", trials, 1), checks.seed(seed)
    space = NASNetSpace() if space is None else space
    evaluator = evaluator or _default_evaluator(dataset, seed)
    oracle_class = find_oracle(oracle)
    oracle_instance = oracle_class(
        space,
        max_trials=trials,
        seed=seed,
        objective=keras_tuner.Objective("reward", "max"),
        context=evaluator.describe(),
        **options,
    )
    oracle_instance.verbose = 0
    tuner = CellTuner(
        oracle_instance, evaluator, directory.parent, directory.name
    )
    with contextlib.ExitStack() as closing:
        closing.callback(oracle_instance.close)
        closing.callback(evaluator.close)
        oracle_instance.restore()
        results = SearchResults(
            directory,
            space,
            oracle_instance.records,
            oracle_instance.describe(),
        )
        try:
            with _progress_context(progress, oracle_instance) as display:
                tuner.after_trial = functools.partial(
                    _after_trial, results, display
                )
                _run_trials(tuner)
        finally:
            if results.best():
                results.write()
                results.draw()
    if not results.best():
        raise RuntimeError(
            f"No trial of {directory} was completed; see the messages in its "
            "trials.jsonl."
        )
    return results


def _run_trials(tuner):
    try:
        tuner.search()
    except keras_tuner.errors.FatalRuntimeError as error:
        # KerasTuner's error is there to stop its loop, ours says why.
        raise error.__cause__ or error from None


def _default_evaluator(dataset, seed):
    if dataset is None:
        raise ValueError(
            "`dataset` is needed unless an `evaluator` is given. Received: "
            "dataset=None"
        )
    return TrainFromScratch(dataset, seed=seed)


def _progress_context(progress, oracle):
    """Returns the context manager of the progress display, if there is one."""
    return progress(oracle) if progress else contextlib.nullcontext()


def _after_trial(results, progress, trial):
    """Updates the progress, and the files if the trial is the new best."""
    if progress is not None:
        progress.update(trial)
    best = results.best()
    if best and best[0]["trial"] == int(trial.trial_id):
        results.write()
