"""Compares cells: one recipe, networks of about equal cost."""

import dataclasses
import json
import pathlib
from collections.abc import Callable
from typing import Any

from nasnet_keras.genotypes import Genotype
from nasnet_keras.runs.files import read_json, write_json
from nasnet_keras.runs.folder import differences
from nasnet_keras.search.evaluators.children import (
    STATISTICS,
    ChildRecipe,
    accuracy,
    child_network,
    train_child,
)
from nasnet_keras.search.evaluators.memory import free_memory
from nasnet_keras.search.names import SIZES
from nasnet_keras.training.data.dataset import Dataset

LENGTH_FACTOR = 2  # Of the training, relative to a child's.
FILTERS_FACTOR = 2  # Filters, relative to a child's;
SIZE_FACTOR = 4  # so parameters and multiply-adds.


def compare(
    cells: dict[str, Genotype],
    recipe: ChildRecipe,
    dataset: Dataset,
    seed: int,
    path: pathlib.Path,
    report: Callable[[str], None] | None = None,
    settings: dict[str, dict[str, Any]] | None = None,
) -> dict[str, dict[str, Any]]:
    """Trains a network of each cell, wider and twice as long as the recipe.

    They have four times the parameters (or multiply-adds) of the search's
    children. After a search at equal filters, the first cell gets twice as
    many, and the others about as many parameters.

    Args:
        cells: Dictionary, label -> `Genotype`.
        recipe: `ChildRecipe` of the search, of its last stage.
        dataset: `nasnet_keras.training.data.dataset.Dataset`.
        seed: Integer.
        path: Path of a JSON file of the results. A cell whose result for the
            same settings is in it is not trained again.
        report: Optional function that gets a line before each training.
        settings: Optional dictionary, label -> the settings that were
            searched with the cell. They replace those of the recipe.

    Returns:
        Dictionary, label -> dictionary with `filters`, `parameters` and
        `test_accuracy`.
    """
    remedy = "Remove it: its networks are trained again."
    known = read_json(path, remedy=remedy) if path.exists() else {}
    results: dict[str, dict[str, Any]] = {}
    size: dict[str, int] = {}
    for label, genotype in cells.items():
        own = dataclasses.replace(recipe, **(settings or {}).get(label, {}))
        network = child_network(own, dataset)
        size = size or _wider(network, genotype)
        filters = network.with_size(**size).sized(genotype).filters
        wider = dataclasses.replace(
            _longer(own), **{**dict.fromkeys(SIZES), "filters": filters}
        )
        training = {
            "genotype": genotype.to_dict(),
            "recipe": dataclasses.asdict(wider),
            "seed": seed,
            "statistics": STATISTICS,
        }
        training = json.loads(json.dumps(training))  # No tuples.
        result = known.get(label, {})
        before = {key: result.get(key) for key in training}
        if list(differences(before, training)):
            if report is not None:
                report(
                    f"training  {label} cell, {filters} filters, "
                    f"{_schedule(training['recipe'])}"
                )
            result = {**training, **_train(genotype, wider, dataset, seed)}
        results[label] = result
        write_json(path, {**known, **results})
    return results


def _train(genotype, recipe, dataset, seed):
    model = train_child(genotype, recipe, dataset, seed)
    result = {
        "filters": recipe.filters,
        "parameters": model.count_params(),
        "test_accuracy": accuracy(model, dataset.test),
    }
    del model
    free_memory()
    return result


def _wider(network, genotype):
    """Returns the size of all networks, as an argument of `Network`."""
    if network.budget is not None:
        return {network.budget: SIZE_FACTOR * getattr(network, network.budget)}
    wider = network.with_size(filters=FILTERS_FACTOR * network.filters)
    return {"parameters": wider.count(genotype).parameters}


def _longer(recipe):
    if recipe.steps:
        return dataclasses.replace(recipe, steps=LENGTH_FACTOR * recipe.steps)
    return dataclasses.replace(recipe, epochs=LENGTH_FACTOR * recipe.epochs)


def _schedule(recipe):
    if recipe.get("steps"):  # Earlier versions had none.
        return f"{recipe['steps']} steps"
    return f"{recipe['epochs']} epochs"


def table(results: dict[str, dict[str, Any]]) -> str:
    """Returns the results of `compare` as text."""
    schedules = {_schedule(result["recipe"]) for result in results.values()}
    after = " or ".join(sorted(schedules))
    lines = [f"Test accuracy after {after} on the same data:"]
    for label, result in results.items():
        lines.append(
            f"  {label + ' cell':14} {result['test_accuracy']:7.2%}  "
            f"{result['parameters']:>9,} parameters "
            f"({result['filters']} filters)"
        )
    return "\n".join(lines)
