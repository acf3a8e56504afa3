"""Cells trained longer with one recipe, except what was searched with them."""

import functools
import json

import numpy as np
import pytest

from nasnet_keras import NASNET_A
from nasnet_keras.runs.files import DamagedFileError
from nasnet_keras.search import ChildRecipe, Isolated, NASNetSpace, comparison
from nasnet_keras.training.data.dataset import Dataset

SPACE = NASNetSpace(1, operations=("identity", "avg_pool_3x3"))


def part(number):
    return np.zeros((number, 8, 8, 3), "uint8"), np.arange(number) % 2


@pytest.mark.long
def test_a_cell_is_trained_with_the_settings_found_with_it(tmp_path):
    dataset = Dataset("zeros", ("a", "b"), part(8), part(4), part(4))
    cells = {"searched": SPACE.to_genotype((0,) * 10)}
    cells["other"] = SPACE.to_genotype((1,) * 10)
    path = tmp_path / "comparison.json"

    def compare(report, **settings):
        return comparison.compare(
            cells,
            ChildRecipe(epochs=1, batch_size=4, filters=2),
            dataset,
            seed=0,
            path=path,
            report=report,
            settings=settings,
            seeds=2,
        )

    searched = {"learning_rate": 0.02, "filters": 3}
    lines = []
    results = compare(lines.append, searched=searched)
    recipes = [results[label]["recipe"] for label in cells]
    assert [recipe["learning_rate"] for recipe in recipes] == [0.02, 0.1]
    assert results["searched"]["filters"] == 3
    assert lines[0] == "training  4 networks"
    assert len(lines) == 5
    assert json.loads(path.read_text()) == results
    for result in results.values():
        assert list(result["test_accuracies"]) == ["0", "1"]
    # What is known is not trained again; with another setting it is.
    assert compare(pytest.fail, searched=searched) == results
    with pytest.raises(pytest.fail.Exception, match="training  2 networks"):
        compare(pytest.fail, searched={**searched, "learning_rate": 0.03})
    text = comparison.table(results, {"searched": 0.25})
    assert "after 2 epochs on the same data, 2 trainings each" in text
    assert text.splitlines()[1].endswith("(3 filters), reward 0.2500")
    assert text.splitlines()[2].endswith(")")


def test_a_stopped_comparison_goes_on(tmp_path, monkeypatch):
    """Also on several processes; each network is measured once."""
    dataset = Dataset("zeros", ("a", "b"), part(8), part(4), part(4))
    cells = {"searched": SPACE.to_genotype((0,) * 10)}
    recipe = ChildRecipe(epochs=1, batch_size=4, filters=2)
    path = tmp_path / "comparison.json"

    def compare(report=lambda line: None, **arguments):
        return comparison.compare(
            cells, recipe, dataset, 5, path, report, **arguments
        )

    def stop(line):
        if "seed 5" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare(stop)
    first = json.loads(path.read_text())["searched"]["test_accuracies"]
    assert list(first) == ["5"]
    lines = []
    engine = functools.partial(Isolated, workers=2)
    found = compare(lines.append, engine=engine)["searched"]["test_accuracies"]
    assert lines[0] == "training  2 networks"
    assert sorted(found) == ["5", "6", "7"]
    assert found["5"] == first["5"]
    # Fewer seeds than are known: those that were asked for.
    fewer = compare(pytest.fail, seeds=1)["searched"]["test_accuracies"]
    assert list(fewer) == ["5"]
    with pytest.raises(ValueError, match="seeds=0"):
        compare(seeds=0)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff"])
def test_a_damaged_file_is_named(tmp_path, content):
    """Before anything is trained."""
    path = tmp_path / "comparison.json"
    path.write_bytes(content)
    with pytest.raises(DamagedFileError, match="Remove it") as error:
        comparison.compare({"a": NASNET_A}, ChildRecipe(), None, 0, path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("size", [{"parameters": 36_000}, {"macs": 1_600_000}])
def test_after_a_search_at_equal_cost_all_have_as_much(
    tmp_path, monkeypatch, size
):
    """The winner is not the measure: whatever came first, the same networks."""
    dataset = Dataset("zeros", ("a", "b"), part(8), part(4), part(4))
    trained = {}

    def measure(self, genotype, *, recipe, seed):
        trained[genotype] = recipe
        network = comparison.child_network(recipe, dataset)
        costs = network.count(genotype)._asdict()
        return {**costs, "test_accuracy": 0.5, "val_accuracy": 0.4}, []

    monkeypatch.setattr(comparison.TrainAndTest, "measure", measure)
    cells = {
        "searched": SPACE.to_genotype((0,) * 10),
        "nasnet_a": NASNET_A,
    }
    recipe = ChildRecipe(steps=5, batch_size=4, **size)
    ((cost, wanted),) = size.items()
    for order in (list(cells), list(cells)[::-1]):
        path = tmp_path / f"{order[0]}.json"
        chosen = {label: cells[label] for label in order}
        found = comparison.compare(chosen, recipe, dataset, 0, path)
        for label, result in found.items():
            network = comparison.child_network(trained[cells[label]], dataset)
            counted = network.count(cells[label])
            assert getattr(counted, cost) == pytest.approx(wanted, rel=0.2)
            assert result["parameters"] == counted.parameters
    assert {recipe.steps for recipe in trained.values()} == {10}
    assert len({recipe.filters for recipe in trained.values()}) == 2
    assert "after 10 steps" in comparison.table(found)


def test_searched_cells_per_stack_keep_the_size(tmp_path, monkeypatch):
    """No network is larger because its cells were searched with a larger N."""
    dataset = Dataset("zeros", ("a", "b"), part(8), part(4), part(4))
    trained = {}

    def measure(self, genotype, *, recipe, seed):
        trained[genotype] = comparison.child_network(recipe, dataset)
        costs = trained[genotype].count(genotype)._asdict()
        return {**costs, "test_accuracy": 0.5, "val_accuracy": 0.4}, []

    monkeypatch.setattr(comparison.TrainAndTest, "measure", measure)
    cells = {"searched": SPACE.to_genotype((0,) * 10), "nasnet_a": NASNET_A}
    comparison.compare(
        cells,
        ChildRecipe(steps=5, batch_size=4),
        dataset,
        0,
        tmp_path / "comparison.json",
        settings={"searched": {"cells_per_stack": 2}},
    )
    usual = comparison.child_network(ChildRecipe(), dataset).parameters
    assert trained[cells["searched"]].cells_per_stack == 2
    for genotype, network in trained.items():
        counted = network.count(genotype).parameters
        assert counted == pytest.approx(usual, rel=0.25)
