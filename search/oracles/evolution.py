"""Regularized evolution: the population is the newest trials."""

import numpy as np

from nasnet_keras.search.oracles.base import SpaceOracle

# Children that are looked at for one trial.
CHILDREN = 200


class EvolutionOracle(SpaceOracle):
    """Regularized evolution (Real et al. 2019, arXiv 1802.01548, section 3).

    The first trials are random. Each later one is a mutation, in one
    decision, of the best of a random sample of the population. The population
    is the trials that ended last: who is old dies, however good.

    Args:
        space: `SearchSpace`.
        population_size: Integer, P in the paper, which takes 100 for 20,000
            trials. The default suits hundreds.
        sample_size: Integer up to `population_size`, S in the paper (25).
        **kwargs: Arguments of `SpaceOracle`.

    Raises:
        ValueError: If a size is out of range.
    """

    def __init__(self, space, population_size=20, sample_size=5, **kwargs):
        super().__init__(space, **kwargs)
        for name, value, least in (
            ("population_size", population_size, 2),
            ("sample_size", sample_size, 1),
        ):
            if not isinstance(value, int) or value < least:
                raise ValueError(
                    f"`{name}` must be an integer of at least {least}. "
                    f"Received: {name}={value!r}"
                )
        if sample_size > population_size:
            raise ValueError(
                "`sample_size` must be at most `population_size`. Received: "
                f"sample_size={sample_size}, population_size={population_size}"
            )
        self.population_size = population_size
        self.sample_size = sample_size
        self.population = []

    def describe(self):
        return {
            **super().describe(),
            "population_size": self.population_size,
            "sample_size": self.sample_size,
        }

    def observe(self, record):
        """A trial that succeeded joins the population; the oldest dies."""
        reward = self.reward(record)
        if reward is None:
            return
        actions = self.space.to_actions(record["values"])
        self.population.append((reward, actions))
        del self.population[: -self.population_size]

    def candidates(self, number):
        """Yields children; random points while the population grows, and
        where all its children are known."""
        rng = np.random.default_rng([self.seed, number])
        if len(self.population) == self.population_size:
            for _ in range(CHILDREN):
                yield mutate(self._parent(rng), self.space.sizes, rng), {}
        while True:
            yield tuple(int(rng.integers(n)) for n in self.space.sizes), {}

    def _parent(self, rng):
        chosen = rng.choice(
            len(self.population), self.sample_size, replace=False
        )
        return max(self.population[i] for i in chosen)[1]


def mutate(actions, sizes, rng):
    """Returns actions with one decision changed to another of its options.

    Args:
        actions: Tuple of integers.
        sizes: Sequence of integers, the options of each decision.
        rng: `numpy.random.Generator`.
    """
    open_ones = [i for i, size in enumerate(sizes) if size > 1]
    if not open_ones:
        return actions
    place = open_ones[rng.integers(len(open_ones))]
    shift = 1 + rng.integers(sizes[place] - 1)
    changed = int((actions[place] + shift) % sizes[place])
    return (*actions[:place], changed, *actions[place + 1 :])
