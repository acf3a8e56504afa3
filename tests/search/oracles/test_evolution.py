"""Regularized evolution: population, parents and mutations."""

import numpy as np
import pytest

from nasnet_keras.search import EvolutionOracle, SearchSpace
from nasnet_keras.search.oracles.evolution import mutate

SPACE = SearchSpace((f"d{i}", range(4)) for i in range(6))


def record(actions, score):
    return {"values": SPACE.to_values(actions), "score": score}


def test_a_mutation_changes_one_decision_to_another_option():
    rng = np.random.default_rng(0)
    sizes, parent = (4, 1, 3), (2, 0, 1)
    seen = set()
    for _ in range(300):
        child = mutate(parent, sizes, rng)
        assert sum(a != b for a, b in zip(child, parent)) == 1
        seen.add(child)
    # Each of the other options of each decision that has some: 3 + 2.
    assert len(seen) == 5
    assert mutate((0, 0), (1, 1), rng) == (0, 0)


def test_the_oldest_dies_however_good():
    oracle = EvolutionOracle(SPACE, population_size=3, sample_size=2)
    for number, score in enumerate((0.9, 0.1, None, 0.2, 0.3)):
        oracle.observe(record((number % 4,) * 6, score))
    assert [one.reward for one in oracle.population] == [0.1, 0.2, 0.3]


def test_children_are_of_the_best_of_a_sample():
    oracle = EvolutionOracle(SPACE, population_size=4, sample_size=4)
    for number, score in enumerate((0.1, 0.9, 0.2, 0.3)):
        oracle.observe(record((number,) * 6, score))
    for number in range(20):
        child, _ = next(oracle.candidates(number))
        assert sum(a != 1 for a in child) == 1


def test_rewards_of_different_ages_are_not_compared():
    """The best of an early round is a parent, not the last of a late one."""
    oracle = EvolutionOracle(SPACE, population_size=4, sample_size=4)
    scores = ((0.1, 100), (0.3, 100), (0.2, 100), (0.9, 900))
    for number, (score, age) in enumerate(scores):
        metrics = {"weights_steps": age}
        oracle.observe({**record((number,) * 6, score), "metrics": metrics})
    for number in range(20):
        child, _ = next(oracle.candidates(number))
        assert sum(a != 1 for a in child) == 1


def test_among_equals_no_option_is_preferred():
    """Rewards of few validation images are often equal."""
    oracle = EvolutionOracle(SPACE, population_size=4, sample_size=4)
    for option in range(4):
        oracle.observe(record((option,) * 6, 0.5))
    children = [next(oracle.candidates(n))[0] for n in range(400)]
    parents = [max(range(4), key=child.count) for child in children]
    shares = np.bincount(parents, minlength=4) / 400
    np.testing.assert_allclose(shares, 0.25, atol=0.06)
    again = [next(oracle.candidates(n))[0] for n in range(400)]
    assert again == children


def test_the_first_are_random():
    oracle = EvolutionOracle(SPACE, population_size=4, sample_size=2)
    oracle.observe(record((1,) * 6, 0.9))
    drawn = np.array([next(oracle.candidates(n))[0] for n in range(400)])
    shares = [(drawn == option).mean() for option in range(4)]
    np.testing.assert_allclose(shares, 0.25, atol=0.03)


@pytest.mark.parametrize(
    "arguments, named",
    [
        ({"population_size": 1}, "population_size=1"),
        ({"sample_size": 0}, "sample_size=0"),
        ({"population_size": 3, "sample_size": 4}, "sample_size=4"),
    ],
)
def test_sizes_out_of_range(arguments, named):
    with pytest.raises(ValueError, match=named):
        EvolutionOracle(SPACE, **arguments)
