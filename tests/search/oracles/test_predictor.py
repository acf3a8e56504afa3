"""The predictor-guided oracle: its features, and that it learns."""

import numpy as np
import pytest
from scipy.stats import kendalltau

from nasnet_keras import NASNET_A, Block, Cell
from nasnet_keras.search import PredictorOracle, SearchSpace, WiredSpace
from nasnet_keras.search.oracles.predictor import examples

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
    encoded = PredictorOracle(SPACE).algorithm.features.encode(
        [(0, 2), (1, 1)], {}
    )
    assert encoded.tolist() == [
        [1, 0, 0, 0, 0, 1, 1, 0, 1],
        [0, 1, 0, 0, 1, 0, 0, 2, 0],
    ]


def test_options_are_counted_in_each_cell_that_names_tell():
    """What is good in one cell may be bad in the other."""
    space = WiredSpace(NASNET_A, ("identity", "sep_conv_3x3"), blocks=1)
    points = [(0, 1, 1, 1), (1, 1, 0, 0)]
    encoded = PredictorOracle(space).algorithm.features.encode(points, {})
    assert encoded[:, 8:].tolist() == [
        # In total; in the normal cell; in the reduction cell.
        [1, 3, 1, 1, 0, 2],
        [2, 2, 0, 2, 2, 0],
    ]


def test_paths_tell_what_computes_the_same():
    oracle = PredictorOracle(SPACE)
    for point in ((0, 1), (1, 0), (2, 1)):
        observe(oracle, point, 0.5)
    features = oracle.algorithm.features
    vocabulary = features.vocabulary(oracle.algorithm.points)
    paths = features.encode([(0, 1), (1, 0), (2, 1)], vocabulary)[:, 9:]
    assert paths[0].tolist() == paths[1].tolist() != paths[2].tolist()
    assert list(vocabulary)[:2] == [
        ("normal", 0, "conv_3x3"),
        ("reduction", 0, "conv_3x3"),
    ]


def test_the_model_is_fitted_less_and_less_often():
    sizes = [examples(trials) for trials in range(1, 2001)]
    assert sizes[:101] == [*range(1, 101), 100]
    assert sizes[999] < 1000 and sizes[999] > 980
    assert len(set(sizes)) < 300  # Of 2,000 trials.


def test_an_interrupted_search_proposes_the_same():
    """Also where the model is older than the last trials."""
    space = Chains(8)
    rng = np.random.default_rng(0)
    points = [tuple(map(int, rng.integers(4, size=8))) for _ in range(125)]
    whole, proposed = PredictorOracle(space, first=60), []
    for number, point in enumerate(points):
        observe(whole, point, point.count(3) / 8)
        if number >= 119:
            proposed.append(next(whole.candidates(number)))
    assert examples(125) < 125
    again = PredictorOracle(space, first=60)
    for point in points:
        observe(again, point, point.count(3) / 8)
    assert next(again.candidates(124)) == proposed[-1]


def test_the_linear_model_learns_what_adds_up_from_few_trials():
    """With the forest alone the order of unseen points is worse."""
    space = Chains(12)
    rng = np.random.default_rng(0)
    points = rng.integers(4, size=(240, 12))
    weights = rng.normal(size=(12, 4))
    true = weights[np.arange(12), points].sum(1)
    oracle = PredictorOracle(space, first=40, exploration=0.0)
    for point, score in zip(points[:40].tolist(), true):
        observe(oracle, point, score)
    model = oracle.algorithm._model()
    encoded = oracle.algorithm.features.encode(
        points[40:].tolist(), model.vocabulary
    )
    both = kendalltau(oracle.algorithm.bounds(points[40:]), true[40:])[0]
    forest = kendalltau(model.forest.predict(encoded), true[40:])[0]
    assert both > forest + 0.1


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


def test_rewards_of_different_ages_are_not_compared():
    """Shared weights improve: a bad cell of a late round beats a good one of
    the first."""
    oracle = PredictorOracle(SPACE)
    for age, scores in ((100, (0.1, 0.3, 0.2)), (900, (0.7, 0.9, 0.8))):
        for number, score in enumerate(scores):
            values = oracle.space.to_values((number, 0))
            metrics = {"weights_steps": age}
            record = {"values": values, "score": score, "metrics": metrics}
            oracle.observe(record)
    expected = [1 / 6, 5 / 6, 1 / 2] * 2
    np.testing.assert_allclose(oracle.algorithm.ranks(), expected)
    plain = PredictorOracle(SPACE)
    for number, score in enumerate((0.1, 0.3, 0.2)):
        observe(plain, (number, 0), score)
    np.testing.assert_allclose(plain.algorithm.ranks(), expected[:3])
