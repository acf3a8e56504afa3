"""Compares cells: one recipe, networks of about equal cost."""

import contextlib
import dataclasses
import json
import pathlib
import statistics
from collections.abc import Callable
from typing import Any

from nasnet_keras import checks
from nasnet_keras.genotypes import Genotype
from nasnet_keras.runs.files import read_json, write_json
from nasnet_keras.runs.folder import differences
from nasnet_keras.search.engines.parallel import Task, as_they_end
from nasnet_keras.search.evaluators.children import (
    STATISTICS,
    ChildRecipe,
    accuracy,
    child_network,
    qualities,
    train_child,
)
from nasnet_keras.search.evaluators.evaluator import Evaluator
from nasnet_keras.search.evaluators.memory import free_memory
from nasnet_keras.search.names import SIZES
from nasnet_keras.training.data.dataset import Dataset

LENGTH_FACTOR = 2  # Of the training, relative to a child's.
SEEDS = 3  # The luck of one training may be larger than what is compared.


def compare(
    cells: dict[str, Genotype],
    recipe: ChildRecipe,
    dataset: Dataset,
    seed: int,
    path: pathlib.Path,
    report: Callable[[str], None] = lambda line: None,
    settings: dict[str, dict[str, Any]] | None = None,
    seeds: int = SEEDS,
    engine: Callable[[Evaluator], Evaluator] = lambda evaluator: evaluator,
) -> dict[str, dict[str, Any]]:
    """Trains networks of each cell, twice as long as the recipe.

    They are as large as the search's children. After a search at equal
    filters, the other cells get about as many parameters as the first one.

    Args:
        cells: Dictionary, label -> `Genotype`.
        recipe: `ChildRecipe` of the search, of its last stage.
        dataset: `nasnet_keras.training.data.dataset.Dataset`.
        seed: Integer, of the first training of each cell.
        path: Path of a JSON file of the results. What is in it for the same
            settings is not trained again.
        report: Function that gets a line before the trainings, and after each.
        settings: Optional dictionary, label -> the settings that were
            searched with the cell. They replace those of the recipe.
        seeds: Integer, the trainings of each cell.
        engine: Function of an evaluator that returns one that runs it
            elsewhere, such as `Isolated`. By default in this process.

    Returns:
        Dictionary, label -> dictionary with `filters`, `parameters` and
        `test_accuracies`: seed (a string) -> accuracy from 0 to 1.

    Raises:
        ValueError: If `seeds` is below 1.
        DamagedFileError: If the file at `path` is damaged.
    """
    numbers = range(seed, seed + checks.integer("seeds", seeds, 1))
    results = _Results(path)
    recipes = _recipes(cells, recipe, dataset, settings or {})
    for label, genotype in cells.items():
        results.begin(label, genotype, recipes[label])
    missing = [
        (label, number)
        for number in numbers
        for label in cells
        if not results.has(label, number)
    ]
    if missing:
        report(f"training  {len(missing)} networks")
    tasks = (
        Task(key, cells[key[0]], {"recipe": recipes[key[0]], "seed": key[1]})
        for key in missing
    )
    with contextlib.closing(engine(TrainAndTest(dataset))) as evaluator:
        for (label, number), future in as_they_end(
            evaluator, lambda: next(tasks, None)
        ):
            found = future.result().measurements
            results.add(label, number, found)
            report(
                f"{label} cell, {recipes[label].filters} filters, seed "
                f"{number}: {found['test_accuracy']:.2%}"
            )
    return {label: results.of(label, numbers) for label in cells}


class TrainAndTest(Evaluator):
    """The accuracy on the test images, for a comparison; no search uses it.

    Args:
        dataset: `nasnet_keras.training.data.dataset.Dataset`.
    """

    def __init__(self, dataset: Dataset):
        super().__init__()
        self.dataset = dataset

    def measure(self, genotype, *, recipe, seed):
        """Trains a network with a recipe and a seed, and tests it."""
        model = train_child(genotype, recipe, self.dataset, seed)
        measurements = {
            **qualities(model, self.dataset.validation),
            "parameters": model.count_params(),
            "test_accuracy": accuracy(model, self.dataset.test),
        }
        del model
        free_memory()
        return measurements, []


class _Results:
    """The results in a file.

    Args:
        path: Path.
    """

    def __init__(self, path):
        remedy = "Remove it: its networks are trained again."
        self.path = path
        self.known = read_json(path, remedy=remedy) if path.exists() else {}

    def begin(self, label, genotype, recipe):
        """Forgets the results of a cell if they are of other settings."""
        training = {
            "genotype": genotype.to_dict(),
            "recipe": dataclasses.asdict(recipe),
            "statistics": STATISTICS,
        }
        training = json.loads(json.dumps(training))  # No tuples.
        before = self.known.get(label, {})
        theirs = {name: before.get(name) for name in training}
        if (
            list(differences(theirs, training))
            or "test_accuracies" not in before
        ):
            self.known[label] = {
                **training,
                "filters": recipe.filters,
                "test_accuracies": {},
            }

    def has(self, label, number):
        return str(number) in self.known[label]["test_accuracies"]

    def add(self, label, number, measurements):
        result = self.known[label]
        result["parameters"] = measurements["parameters"]
        result["test_accuracies"][str(number)] = measurements["test_accuracy"]
        write_json(self.path, self.known)

    def of(self, label, numbers):
        """Returns the result of a cell, with the accuracies of some seeds."""
        result = self.known[label]
        own = {str(n): result["test_accuracies"][str(n)] for n in numbers}
        return {**result, "test_accuracies": own}


def _recipes(cells, recipe, dataset, settings):
    """Returns label -> the recipe of its networks, with their filters."""
    recipes, size = {}, {}
    usual = child_network(recipe, dataset)
    for label, genotype in cells.items():
        own = dataclasses.replace(recipe, **settings.get(label, {}))
        network = usual.with_settings(settings.get(label, {}))
        size = size or _size(network, genotype)
        filters = network.with_size(**size).sized(genotype).filters
        recipes[label] = dataclasses.replace(
            _longer(own), **{**dict.fromkeys(SIZES), "filters": filters}
        )
    return recipes


def _size(network, genotype):
    """Returns the size of all networks, as an argument of `Network`."""
    if network.budget is not None:
        return {network.budget: getattr(network, network.budget)}
    return {"parameters": network.count(genotype).parameters}


def _longer(recipe):
    if recipe.steps:
        return dataclasses.replace(recipe, steps=LENGTH_FACTOR * recipe.steps)
    return dataclasses.replace(recipe, epochs=LENGTH_FACTOR * recipe.epochs)


def _schedule(recipe):
    if recipe.get("steps"):  # Earlier versions had none.
        return f"{recipe['steps']} steps"
    return f"{recipe['epochs']} epochs"


def table(
    results: dict[str, dict[str, Any]], rewards: dict[str, float] | None = None
) -> str:
    """Returns the results of `compare` as text.

    Args:
        results: What `compare` returned.
        rewards: Optional dictionary, label -> reward of the cell in the last
            stage of its search.
    """
    schedules = {_schedule(result["recipe"]) for result in results.values()}
    after = " or ".join(sorted(schedules))
    numbers = {len(result["test_accuracies"]) for result in results.values()}
    lines = [
        f"Test accuracy after {after} on the same data, "
        f"{' or '.join(map(str, sorted(numbers)))} trainings each:"
    ]
    for label, result in results.items():
        accuracies = list(result["test_accuracies"].values())
        each = ", ".join(f"{value:.2%}" for value in accuracies)
        reward = (rewards or {}).get(label)
        lines.append(
            f"  {label + ' cell':14} {statistics.mean(accuracies):7.2%} "
            f"({each})  {result['parameters']:>9,} parameters "
            f"({result['filters']} filters)"
            + (f", reward {reward:.4f}" if reward is not None else "")
        )
    return "\n".join(lines)
