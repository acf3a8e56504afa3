"""The predictor-guided oracle: its features, and that it learns."""

import numpy as np
import pytest

from nasnet_keras import Block, Cell
from nasnet_keras.search import PredictorOracle, SearchSpace

NAMES = ("conv_3x3", "conv_1x1", "max_pool_3x3", "avg_pool_3x3")


class Chains(SearchSpace):
    """A chain of operations, and another as its reduction."""

    def __init__(self, length=3, operations=NAMES):
        super().__init__((f"d{i}", operations) for i in range(length))

    def make_cells(self, values):
        blocks = [
            Block((i, i), (name, "none"))
            for i, name in enumerate(values.values())
        ]
        cell = Cell(blocks, (len(blocks),), inputs=1)
        return cell, cell


SPACE = Chains(2, ("identity", "conv_3x3", "conv_1x1"))


def observe(oracle, point, score):
    values = oracle.space.to_values(point)
    oracle.observe({"values": values, "score": score})


def test_decisions_are_seen_one_by_one_and_counted():
    encoded = PredictorOracle(SPACE).algorithm.encode([(0, 2), (1, 1)], {})
    assert encoded.tolist() == [
        [1, 0, 0, 0, 0, 1, 1, 0, 1],
        [0, 1, 0, 0, 1, 0, 0, 2, 0],
    ]


def test_paths_tell_what_computes_the_same():
    oracle = PredictorOracle(SPACE)
    for point in ((0, 1), (1, 0), (2, 1)):
        observe(oracle, point, 0.5)
    vocabulary = oracle.algorithm.vocabulary()
    paths = oracle.algorithm.encode([(0, 1), (1, 0), (2, 1)], vocabulary)[:, 9:]
    assert paths[0].tolist() == paths[1].tolist() != paths[2].tolist()
    assert list(vocabulary)[:2] == [
        ("normal", 0, "conv_3x3"),
        ("reduction", 0, "conv_3x3"),
    ]


def test_it_finds_what_it_can_learn():
    """The reward counts one operation: proposals have more than any trial."""
    space = Chains(8)
    oracle = PredictorOracle(space, first=60, exploration=0.0)
    rng = np.random.default_rng(0)
    points = [tuple(map(int, rng.integers(4, size=8))) for _ in range(60)]
    for point in points:
        observe(oracle, point, point.count(3) / 8)
    best_seen = max(point.count(3) for point in points)
    found = [next(oracle.candidates(n))[0].count(3) for n in range(60, 65)]
    assert min(found) >= best_seen


def test_a_failure_is_the_worst():
    oracle = PredictorOracle(SPACE, first=1)
    observe(oracle, (0, 0), 0.4)
    observe(oracle, (1, 1), None)
    assert oracle.algorithm.rewards == [0.4, -np.inf]
    low, high = oracle.algorithm.bounds(np.array([(1, 1), (0, 0)]))
    assert low < high


@pytest.mark.parametrize(
    "arguments, named", [({"first": 0}, "first=0"), ({"trees": 0}, "trees=0")]
)
def test_arguments_out_of_range(arguments, named):
    with pytest.raises(ValueError, match=named):
        PredictorOracle(SPACE, **arguments)
