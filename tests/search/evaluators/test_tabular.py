"""A search in a table, in its folder like any other."""

import itertools

import pytest

from nasnet_keras import NASNET_A
from nasnet_keras.search import (
    NASBench201Space,
    SearchMismatchError,
    Tabular,
    search,
)
from nasnet_keras.search.spaces.nasbench201 import OPERATIONS

SPACE = NASBench201Space()
# Made up: the share of edges that convolve 3x3.
TABLE = {
    point: point.count("nor_conv_3x3") / 6
    for point in itertools.product(OPERATIONS, repeat=6)
}


def run(table, folder, trials):
    evaluator = Tabular(table, SPACE)
    return search(None, folder, trials, SPACE, "random", evaluator)


def test_rewards_are_the_tables(tmp_path):
    found = run(TABLE, tmp_path / "run", 20)
    for record in found.records:
        point = tuple(record["values"].values())
        assert record["score"] == TABLE[point]
    assert (tmp_path / "run" / "best.json").is_file()
    # The same table resumes; another one would mix two searches.
    assert len(run(TABLE, tmp_path / "run", 21).records) == 21
    other = {**TABLE, ("none",) * 6: 0.5}
    with pytest.raises(SearchMismatchError, match="table: there"):
        run(other, tmp_path / "run", 22)


def test_what_the_table_lacks():
    evaluator = Tabular({}, SPACE)
    with pytest.raises(ValueError, match="no row for"):
        evaluator(SPACE.to_genotype((0, 1, 2, 3, 4, 0)))
    with pytest.raises(ValueError, match="NAS-Bench-201"):
        evaluator(NASNET_A)
