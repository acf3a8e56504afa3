"""A search in its folder, in one call."""

import contextlib
import os
import pathlib
from collections.abc import Callable
from typing import Any

import keras_tuner

from nasnet_keras import checks
from nasnet_keras.runs.files import read_json
from nasnet_keras.runs.optional import require
from nasnet_keras.search.engines import chief
from nasnet_keras.search.engines.tuner import CellTuner
from nasnet_keras.search.evaluators.children import ChildRecipe
from nasnet_keras.search.evaluators.evaluator import Evaluator
from nasnet_keras.search.evaluators.from_scratch import TrainFromScratch
from nasnet_keras.search.finals import judge_again
from nasnet_keras.search.names import CONFIG, REWARD_IMAGES
from nasnet_keras.search.oracles import find_oracle
from nasnet_keras.search.results import SearchResults, read_ranking
from nasnet_keras.search.scalars import Scalars
from nasnet_keras.search.spaces import NASNetSpace, SearchSpace
from nasnet_keras.training.data.dataset import Dataset

TRIALS = 100


def search(
    dataset: Dataset | None,
    directory: str | os.PathLike[str],
    trials: int | None = None,
    space: SearchSpace | None = None,
    oracle: str = "ppo",
    evaluator: Evaluator | None = None,
    seed: int = 0,
    progress: Callable[[Any], Any] | None = None,
    **options: Any,
) -> SearchResults | None:
    """Searches for cells, or resumes a search that was stopped.

    After the trials, the best genotypes are judged once more, as the evaluator
    says (`TrainFromScratch`: trained again for longer, with another seed). The
    best of the results is the best of that last stage.

    Args:
        dataset: `nasnet_keras.training.data.dataset.Dataset`, see
            `load_dataset`. Only the default evaluator uses it.
        directory: Path of the search's folder. Every finished trial is saved
            there: the same call resumes the search.
        trials: Integer, the total number of trials. Defaults to the children
            of the evaluator's `funnel`, or 100.
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
        `SearchResults`; `None` from a worker of KerasTuner's chief, see
        `nasnet_keras.search.engines.chief`.

    Raises:
        ValueError: If an argument is out of range.
        SearchMismatchError: If the folder holds another search.
        RuntimeError: If no trial was completed.
        ImportError: If a package that the search needs is missing.

    Example:

        results = search(load_dataset("flowers"), "runs/flowers", trials=40)
        print(results.genotypes(3))
    """
    require("The search", ["matplotlib", "psutil"], "search")
    directory = pathlib.Path(os.path.abspath(directory))
    seed = checks.seed(seed)
    if trials is not None:
        checks.integer("trials", trials, 1)
    space = NASNetSpace() if space is None else space
    evaluator = evaluator or _default_evaluator(dataset, seed, directory)
    trials = _number_of_trials(trials, evaluator)
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
    if chief.is_worker():
        with contextlib.closing(evaluator):
            tuner.search()
        return None
    with contextlib.ExitStack() as closing:
        closing.callback(oracle_instance.close)
        closing.callback(evaluator.close)
        oracle_instance.restore()
        results = SearchResults(
            directory,
            space,
            oracle_instance.records,
            oracle_instance.describe(),
            read_ranking(directory),
        )
        try:
            with (
                _progress_context(progress, oracle_instance) as display,
                contextlib.closing(Scalars(directory)) as scalars,
            ):
                tuner.after_trial = _AfterTrial(
                    results, oracle_instance, scalars, display
                )
                _run_trials(tuner)
                # What the workers hold, the later stages need.
                evaluator.close()
                report = getattr(display, "report", None) or _say_nothing
                judge_again(results, evaluator, trials, report)
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


def _number_of_trials(trials, evaluator):
    """Returns the number of trials that is given, or the evaluator's own."""
    own = evaluator.trials
    if trials is None:
        return own or TRIALS
    if own is not None and own != trials:
        raise ValueError(
            "`trials` must be the children of the first stage of `funnel`, "
            f"{own}, or left out: another `funnel` has others. Received: "
            f"trials={trials}"
        )
    return int(trials)


def _default_evaluator(dataset, seed, directory):
    if dataset is None:
        raise ValueError(
            "`dataset` is needed unless an `evaluator` is given. Received: "
            "dataset=None"
        )
    recipe, reward_images = ChildRecipe(), REWARD_IMAGES
    filters = filters_of_all(directory)
    if filters is not None:
        recipe, reward_images = ChildRecipe(filters=filters), None
    return TrainFromScratch(
        dataset, recipe, seed=seed, reward_images=reward_images
    )


def filters_of_all(directory: pathlib.Path) -> int | None:
    """Returns the filters of a search that gave all children the same.

    Searches of earlier versions did; they go on so. `None` for a new search
    and one at equal parameters or multiply-adds.

    Args:
        directory: Path of the search's folder.
    """
    path = directory / CONFIG
    network = read_json(path).get("network") if path.is_file() else None
    return network["filters"] if network else None


def _say_nothing(line):
    """Reports nothing."""


def _progress_context(progress, oracle):
    """Returns the context manager of the progress display, if there is one."""
    return progress(oracle) if progress else contextlib.nullcontext()


class _AfterTrial:
    """Shows each trial that ended; writes the results of a new best one.

    It compares with the best so far alone: thousands of trials need not be
    sorted after each.
    """

    def __init__(self, results, oracle, scalars, progress):
        self.results = results
        self.oracle = oracle
        self.scalars = scalars
        self.progress = progress
        best = next(iter(results.by_reward()), None)
        self.best = None if best is None else best["score"]
        self.ended = len(results.records)

    def __call__(self, trial):
        self.ended += 1
        is_better = trial.score is not None and (
            self.best is None or trial.score > self.best
        )
        if is_better:
            self.best = trial.score
        if self.progress is not None:
            self.progress.update(trial)
        self.scalars.write(self.ended, trial.score, self.best, self.oracle)
        # Where a later stage has judged, it decides.
        if is_better and not self.results.ranking:
            self.results.write()
