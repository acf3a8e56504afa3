"""Random search, the baseline that every search must beat."""

import numpy as np

from nasnet_keras.search.oracles.base import SpaceOracle


class RandomOracle(SpaceOracle):
    """Random search: every option of every decision is equally likely.

    Args: those of `SpaceOracle`.
    """

    def candidates(self, number):
        """Yields random points."""
        rng = np.random.default_rng([self.seed, number])
        while True:
            yield tuple(int(rng.integers(n)) for n in self.space.sizes), {}
