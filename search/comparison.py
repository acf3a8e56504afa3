"""Compares cells: one recipe, about equal numbers of parameters."""

import dataclasses
import json
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np

from nasnet_keras.genotypes import Genotype
from nasnet_keras.runs.files import read_json, write_json
from nasnet_keras.search.evaluators.children import (
    STATISTICS,
    ChildRecipe,
    accuracy,
    child_network,
    train_child,
)
from nasnet_keras.search.evaluators.limits import Network
from nasnet_keras.search.evaluators.memory import free_memory
from nasnet_keras.training.data.dataset import Dataset

EPOCHS_FACTOR = 2  # Epochs, relative to a child's.
FILTERS_FACTOR = 2  # Filters, relative to a child's.


def compare(
    cells: dict[str, Genotype],
    recipe: ChildRecipe,
    dataset: Dataset,
    seed: int,
    path: pathlib.Path,
    report: Callable[[str], None] | None = None,
    settings: dict[str, dict[str, Any]] | None = None,
) -> dict[str, dict[str, Any]]:
    """Trains a network of each cell, longer and wider than in the search.

    The first cell's network sets the number of parameters; the filters of the
    others are chosen to come close to it.

    Args:
        cells: Dictionary, label -> `Genotype`.
        recipe: `ChildRecipe` of the search.
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
    target = None
    for label, genotype in cells.items():
        own = dataclasses.replace(recipe, **(settings or {}).get(label, {}))
        longer = dataclasses.replace(own, epochs=EPOCHS_FACTOR * own.epochs)
        filters = FILTERS_FACTOR * own.filters
        if target is not None:
            network = child_network(longer, dataset)
            filters = choose_filters(genotype, network, target)
        wider = dataclasses.replace(longer, filters=filters)
        training = {
            "genotype": genotype.to_dict(),
            "recipe": dataclasses.asdict(wider),
            "seed": seed,
            "statistics": STATISTICS,
        }
        training = json.loads(json.dumps(training))  # No tuples.
        result = known.get(label, {})
        if {key: result.get(key) for key in training} != training:
            if report is not None:
                report(
                    f"training  {label} cell, {filters} filters, "
                    f"{wider.epochs} epochs"
                )
            result = {**training, **_train(genotype, wider, dataset, seed)}
        results[label] = result
        target = target or result["parameters"]
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


def choose_filters(
    genotype: Genotype, network: Network, parameters: int
) -> int:
    """Returns the filters that give about a number of parameters.

    The parameters of a network are a polynomial of second degree in its
    filters, which three counts determine.

    Args:
        genotype: `Genotype`.
        network: `Network`; its filters are ignored.
        parameters: Integer.
    """
    probes = np.array([8, 12, 16])
    counts = [
        dataclasses.replace(network, filters=int(filters))
        .count(genotype)
        .parameters
        for filters in probes
    ]
    curve = np.polynomial.Polynomial.fit(probes, counts, deg=2)
    candidates = np.arange(8 if network.stem == "imagenet" else 2, 513)
    return int(candidates[np.abs(curve(candidates) - parameters).argmin()])


def table(results: dict[str, dict[str, Any]]) -> str:
    """Returns the results of `compare` as text."""
    epochs = {result["recipe"]["epochs"] for result in results.values()}
    after = " or ".join(str(number) for number in sorted(epochs))
    lines = [f"Test accuracy after {after} epochs on the same data:"]
    for label, result in results.items():
        lines.append(
            f"  {label + ' cell':14} {result['test_accuracy']:7.2%}  "
            f"{result['parameters']:>9,} parameters "
            f"({result['filters']} filters)"
        )
    return "\n".join(lines)
