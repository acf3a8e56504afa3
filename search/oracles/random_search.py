"""Random search, the baseline of every other search."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from nasnet_keras.search.oracles.algorithm import Actions, Algorithm, Notes


class RandomSearch(Algorithm):
    """Every option of every decision is equally likely."""

    def candidates(self, number: int) -> Iterator[tuple[Actions, Notes]]:
        """Yields random points."""
        rng = np.random.default_rng([self.seed, number])
        while True:
            yield self.space.sample(rng), {}
