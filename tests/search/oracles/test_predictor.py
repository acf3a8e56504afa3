"""The predictor-guided oracle: what it sees, and that it learns."""

import numpy as np
import pytest

from nasnet_keras.search import PredictorOracle, SearchSpace

SPACE = SearchSpace(
    [("a", ("x", "y")), ("b", ("x", "y", "z")), ("c", ("z", "w"))]
)


def test_decisions_are_seen_one_by_one_and_counted():
    oracle = PredictorOracle(SPACE)
    encoded = oracle._encode([(0, 2, 0), (1, 1, 1)])
    # a: x y; b: x y z; c: z w.
    taken = np.array([[1, 0, 0, 0, 1, 1, 0], [0, 1, 0, 1, 0, 0, 1]])
    # x y z w.
    counts = np.array([[1, 0, 2, 0], [0, 2, 0, 1]])
    np.testing.assert_allclose(encoded[:, :7], taken / 3**0.5)
    np.testing.assert_allclose(encoded[:, 7:], counts / 3)


def test_it_finds_what_it_can_learn():
    """The reward is linear; with it known, the best is proposed at once."""
    space = SearchSpace((f"d{i}", range(4)) for i in range(8))
    oracle = PredictorOracle(space, first=40, exploration=0.0)
    rng = np.random.default_rng(0)
    points = [tuple(map(int, rng.integers(4, size=8))) for _ in range(40)]
    for point in points:
        values = space.to_values(point)
        oracle.observe({"values": values, "score": sum(point) / 24})
    best_seen = max(map(sum, points))
    proposed = [next(oracle.candidates(n))[0] for n in range(40, 45)]
    assert min(map(sum, proposed)) >= best_seen - 1
    assert np.mean([sum(p) for p in proposed]) > best_seen


def test_a_failure_is_the_worst():
    oracle = PredictorOracle(SPACE, first=1)
    for point, score in (((0, 0, 0), 0.4), ((1, 1, 1), None)):
        oracle.observe({"values": SPACE.to_values(point), "score": score})
    assert oracle._rewards == [0.4, -np.inf]
    low, high = oracle._bounds(np.array([(1, 1, 1), (0, 0, 0)]))
    assert low < high


@pytest.mark.parametrize(
    "arguments, named",
    [({"first": 0}, "first=0"), ({"members": 0}, "members=0")],
)
def test_arguments_out_of_range(arguments, named):
    with pytest.raises(ValueError, match=named):
        PredictorOracle(SPACE, **arguments)
