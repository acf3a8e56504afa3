"""The core: proposals of pure algorithms, without files and KerasTuner."""

import pytest

from nasnet_keras.search import NASBench201Space, SearchSpace
from nasnet_keras.search.oracles.algorithm import Algorithm
from nasnet_keras.search.oracles.core import Core
from nasnet_keras.search.oracles.evolution import RegularizedEvolution
from nasnet_keras.search.oracles.predictor import PredictorSearch
from nasnet_keras.search.oracles.random_search import RandomSearch

SPACE = SearchSpace((f"d{i}", range(3)) for i in range(3))


class Fixed(Algorithm):
    """Always proposes the same points."""

    points = ((0, 0, 0), (1, 1, 1))

    def candidates(self, number):
        for point in self.points:
            yield point, {"number": number}

    def notes_of(self, actions):
        return {"noted": actions}


def record(actions, score):
    return {"values": SPACE.to_values(actions), "score": score}


def test_new_points_come_before_known_ones():
    core = Core(Fixed(SPACE))
    assert core.propose(0) == ((0, 0, 0), {"number": 0})
    assert core.propose(1) == ((1, 1, 1), {"number": 1})
    assert core.propose(2) == ((0, 0, 0), {"number": 2})


def test_observed_points_are_known_those_of_another_search_are_not():
    core = Core(Fixed(SPACE))
    core.observe_earlier(record((0, 0, 0), 0.5))
    assert core.propose(0)[0] == (0, 0, 0)
    core = Core(Fixed(SPACE))
    core.observe(record((0, 0, 0), 0.5))
    assert core.propose(1)[0] == (1, 1, 1)


def test_an_algorithm_that_repeats():
    algorithm = Fixed(SPACE)
    algorithm.repeats = True
    core = Core(algorithm)
    assert [core.propose(i)[0] for i in range(2)] == [(0, 0, 0)] * 2


def test_enqueued_points_come_first():
    core = Core(Fixed(SPACE), enqueue=[(2, 2, 2)])
    notes = {"enqueued": True, "noted": (2, 2, 2)}
    assert core.propose(0) == ((2, 2, 2), notes)
    assert core.propose(1)[0] == (0, 0, 0)
    other = Core(Fixed(SPACE))
    other.adopt({"enqueued": [[2, 2, 2]]})
    assert other.propose(0) == ((2, 2, 2), notes)


class Limit:
    """Refuses the algorithm's own point, so that a random one is taken."""

    def __init__(self, refused):
        self.refused = refused

    def __call__(self, genotype):
        return tuple(genotype.values()) != self.refused

    def describe(self):
        return "none"


@pytest.mark.parametrize("seed", [0, 1, 7])
def test_the_random_point_is_no_draw_of_the_algorithms(seed):
    """NumPy's `default_rng([s, n])` and `default_rng([s, n, 0])` are one."""
    space = Cells((f"d{i}", range(1000)) for i in range(3))
    own = [next(RandomSearch(space, seed=seed).candidates(n)) for n in range(9)]
    core = Core(Nothing(space, seed=seed), limits=Limit(None))
    points = [core.propose(number)[0] for number in range(9)]
    assert len(set(points)) == 9
    assert not set(points) & {actions for actions, _ in own}


class Nothing(Algorithm):
    """Has no candidates."""

    def candidates(self, number):
        yield from ()

    def notes_of(self, actions):
        return {}


class Cells(SearchSpace):
    """A space whose genotypes are its values."""

    def to_genotype(self, point, name=""):
        return point if isinstance(point, dict) else self.to_values(point)


class Sum:
    """A limit on the sum of the options."""

    def __init__(self, least):
        self.least = least

    def __call__(self, genotype):
        return sum(genotype.values()) >= self.least

    def describe(self):
        return {"least": self.least}


def test_a_random_point_if_no_candidate_is_within_the_limits():
    space = Cells((f"d{i}", range(3)) for i in range(3))
    core = Core(Fixed(space), limits=Sum(5))
    actions, notes = core.propose(0)
    assert sum(actions) >= 5 and notes == {"noted": actions}
    assert Core(Fixed(space), limits=Sum(5)).propose(0)[0] == actions
    with pytest.raises(ValueError, match="within the limits"):
        Core(Fixed(space), limits=Sum(7)).propose(0)
    with pytest.raises(ValueError, match="`enqueue` must hold"):
        Core(Fixed(space), limits=Sum(5), enqueue=[(0, 0, 0)])


@pytest.mark.parametrize(
    "make",
    [
        RandomSearch,
        lambda space: RegularizedEvolution(space, 3, 2),
        lambda space: PredictorSearch(space, 4, 3, 1.0, 10, 200, 9),
    ],
)
def test_records_decide_the_proposals(make):
    """A core that has observed the records proposes like the first one."""
    space = NASBench201Space()
    first = Core(make(space))
    for trial in range(12):
        actions, _ = first.propose(trial)
        values = space.to_values(actions)
        first.observe({"values": values, "score": sum(actions)})
        second = Core(make(space))
        for known in first.records:
            second.observe(known)
    assert first.propose(12) == second.propose(12)


def test_spaces_without_cells_have_no_digest():
    assert Core(Fixed(SPACE)).describe() == {
        "space": SPACE.to_dict(),
        "cells": None,
    }
