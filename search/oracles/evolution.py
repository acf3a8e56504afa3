"""Regularized evolution: the population is the newest trials."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from nasnet_keras import checks
from nasnet_keras.search.oracles.algorithm import (
    Actions,
    Algorithm,
    Notes,
    Record,
    age_of,
    ranks_by_age,
)
from nasnet_keras.search.spaces.space import SearchSpace

# Children that are examined for one trial.
CHILDREN = 200


class Member(NamedTuple):
    """Of the population: a reward, its age (see `age_of`) and the point."""

    reward: float
    age: float | None
    actions: Actions


class RegularizedEvolution(Algorithm):
    """The algorithm of `EvolutionOracle`, which documents the arguments.

    The oldest member of the population is removed regardless of fitness.
    Rewards of shared weights are compared by their rank among those of the
    same age: later ones are higher.

    Attributes:
        population: List of `Member`, the oldest first.
    """

    def __init__(
        self,
        space: SearchSpace,
        population_size: int,
        sample_size: int,
        **kwargs: Any,
    ):
        super().__init__(space, **kwargs)
        self.population_size = checks.integer(
            "population_size", population_size, 2
        )
        self.sample_size = checks.integer("sample_size", sample_size, 1)
        if sample_size > population_size:
            raise ValueError(
                "`sample_size` must be at most `population_size`. Received: "
                f"sample_size={sample_size}, population_size={population_size}"
            )
        self.population: list[Member] = []

    def describe(self) -> dict[str, Any]:
        return {
            "population_size": self.population_size,
            "sample_size": self.sample_size,
        }

    def observe(self, record: Record) -> None:
        """Adds a successful trial to the population; removes the oldest."""
        reward = self.reward(record)
        if reward is None:
            return
        actions = self.space.to_actions(record["values"])
        self.population.append(Member(reward, age_of(record), actions))
        del self.population[: -self.population_size]

    def candidates(self, number: int) -> Iterator[tuple[Actions, Notes]]:
        """Yields children, then random points; at first random points only."""
        rng = np.random.default_rng([self.seed, number])
        if len(self.population) == self.population_size:
            for _ in range(CHILDREN):
                yield mutate(self._parent(rng), self.space.sizes, rng), {}
        while True:
            yield self.space.sample(rng), {}

    def _parent(self, rng):
        chosen = rng.choice(
            len(self.population), self.sample_size, replace=False
        )
        rewards, ages, actions = zip(*self.population)
        ranks = ranks_by_age(rewards, ages)
        # Of equal ranks the first in the random order of the sample.
        return actions[max(chosen, key=lambda place: ranks[place])]


def mutate(
    actions: Actions, sizes: Sequence[int], rng: np.random.Generator
) -> Actions:
    """Returns actions with one decision changed to another of its options.

    Args:
        actions: Tuple of integers.
        sizes: Sequence of integers, the options of each decision.
        rng: `numpy.random.Generator`.
    """
    mutable = [i for i, size in enumerate(sizes) if size > 1]
    if not mutable:
        return actions
    place = mutable[rng.integers(len(mutable))]
    shift = 1 + rng.integers(sizes[place] - 1)
    changed = int((actions[place] + shift) % sizes[place])
    return (*actions[:place], changed, *actions[place + 1 :])
