"""A search in its folder, in one call."""

import dataclasses
import functools
import json
import pathlib

import keras_tuner

from nasnet_keras.runs.files import write_atomically
from nasnet_keras.runs.optional import require
from nasnet_keras.runs.provenance import provenance
from nasnet_keras.search.engines.tuner import CellTuner
from nasnet_keras.search.evaluators.from_scratch import TrainFromScratch
from nasnet_keras.search.evaluators.rewards import pareto_front
from nasnet_keras.search.oracles import find_oracle
from nasnet_keras.search.oracles.base import CONFIG, JOURNAL
from nasnet_keras.search.spaces import NASNetSpace
from nasnet_keras.visualize import plot_genotype, plot_rewards

BEST = "best.json"
FRONT = "pareto.json"


@dataclasses.dataclass(frozen=True)
class Found:
    """What a search has found.

    Args:
        folder: `pathlib.Path` of the search.
        space: `SearchSpace`.
        records: List of dictionaries, its ended trials.
        configuration: Dictionary, what makes the search what it is.
    """

    folder: pathlib.Path
    space: object
    records: list
    configuration: dict

    def best(self, number=1):
        """Returns the records with the highest rewards, best first, each
        genotype once."""
        done = [r for r in self.records if r["score"] is not None]
        done.sort(key=lambda record: -record["score"])
        unique = {}
        for record in done:
            unique.setdefault(self.space.to_genotype(record["values"]), record)
            if len(unique) == number:
                break
        return list(unique.values())

    def genotype(self, record):
        """Returns the `Genotype` of a record, named after search and trial."""
        name = f"{self.folder.resolve().name}-{record['trial']:05d}"
        return self.space.to_genotype(record["values"], name)

    def genotypes(self, number=1):
        """Returns the best genotypes, best first."""
        return [self.genotype(record) for record in self.best(number)]

    def write(self):
        """Writes the best cell, `best.json`, and the front, `pareto.json`."""
        (best,) = self.best()
        result = {
            "genotype": self.genotype(best).to_dict(),
            "settings": self.space.to_settings(best["values"]),
            "reward": best["score"],
            "measurements": best["metrics"],
            "trial": best["trial"],
            "trials": len(self.records),
            "produced_by": {
                **provenance("keras-tuner"),
                "configuration": self.configuration,
            },
        }
        _write(self.folder / BEST, result)
        front = [
            {**r["metrics"], "genotype": self.genotype(r).to_dict()}
            for r in pareto_front(self.records, self._cost())
        ]
        _write(self.folder / FRONT, front)

    def _cost(self):
        reward = self.configuration.get("reward")
        return reward["cost"] if isinstance(reward, dict) else "parameters"

    def draw(self, baseline=None):
        """Draws the best cell, `cells.png`, and the rewards, `reward.png`.

        Args:
            baseline: Optional `Found`, a search to compare with.
        """
        scores = [record["score"] for record in self.records]
        other = baseline and [record["score"] for record in baseline.records]
        plot_genotype(self.genotypes()[0], self.folder / "cells.png")
        plot_rewards(scores, self.folder / "reward.png", baseline=other)


def open_search(directory, space):
    """Returns what the search in a folder has found.

    Args:
        directory: Path.
        space: `SearchSpace`, that of the search.

    Raises:
        ValueError: If the folder holds no search, or one in which no trial
            was completed.
    """
    directory = pathlib.Path(directory)
    try:
        configuration = json.loads((directory / CONFIG).read_text())
        lines = (directory / JOURNAL).read_text().splitlines(keepends=True)
    except OSError as error:
        raise ValueError(f"{directory} holds no search: {error}") from error
    # A search that is still running may be writing its last line.
    records = [json.loads(line) for line in lines if line.endswith("\n")]
    found = Found(directory, space, records, configuration)
    if not found.best():
        raise ValueError(f"No trial of {directory} has been completed.")
    return found


def _write(path, content):
    write_atomically(path, json.dumps(content, indent=1) + "\n")


def search(
    dataset,
    directory,
    trials=100,
    space=None,
    oracle="ppo",
    evaluator=None,
    seed=0,
    progress=None,
    **options,
):
    """Searches for cells, or goes on with a search that was stopped.

    Args:
        dataset: `nasnet_keras.training.data.dataset.Dataset`, see `load_dataset`.
        directory: Path of the search's folder. Every finished trial is kept
            there: the same call goes on where it was stopped.
        trials: Integer, the trials in all.
        space: `SearchSpace`. Defaults to the paper's, `NASNetSpace()`.
        oracle: `"ppo"`, `"reinforce"`, `"random"`, `"evolution"` or
            `"predictor"`.
        evaluator: `Evaluator`. Defaults to `TrainFromScratch(dataset)`, in
            this process. On TensorFlow its memory grows with each child: from
            hundreds of trials on, `Isolated(TrainFromScratch(dataset))`.
        seed: Integer.
        progress: Optional function of the oracle that returns a context
            manager with a method `update(trial)`.
        options: Further arguments of the oracle, such as `enqueue`,
            `warm_start`, `limits` or `population_size`.

    Returns:
        A `Found`.

    Raises:
        SearchMismatchError: If the folder holds another search.
        RuntimeError: If no trial was completed.
        ImportError: If a package is missing that it will need.

    Example:

        found = search(load_dataset("flowers"), "runs/flowers", trials=40)
        print(found.genotypes(3))
    """
    require("The search", ["matplotlib"], "search")
    directory = pathlib.Path(directory)
    space = space or NASNetSpace()
    evaluator = evaluator or TrainFromScratch(dataset, seed=seed)
    oracle = find_oracle(oracle)(
        space,
        max_trials=trials,
        seed=seed,
        objective=keras_tuner.Objective("reward", "max"),
        context=evaluator.describe(),
        **options,
    )
    oracle.verbose = 0
    tuner = CellTuner(oracle, evaluator, directory.parent, directory.name)
    oracle.restore()
    found = Found(directory, space, oracle.records, oracle.describe())
    try:
        if progress is None:
            _run(tuner, found)
        else:
            with progress(oracle) as shown:
                _run(tuner, found, shown)
    finally:
        try:
            if found.best():
                found.write()
                found.draw()
        finally:
            evaluator.close()
            oracle.close()
    if not found.best():
        raise RuntimeError(
            f"No trial of {directory} was completed; see the messages in its "
            "trials.jsonl."
        )
    return found


def _run(tuner, found, shown=None):
    tuner.after_trial = functools.partial(_after_trial, found, shown)
    tuner.search()


def _after_trial(found, shown, trial):
    if shown is not None:
        shown.update(trial)
    best = found.best()
    if best and best[0]["trial"] == int(trial.trial_id):
        found.write()
