"""Predictor-guided search: train what an ensemble of trees hopes most of."""

import functools
from collections import Counter

import numpy as np

from nasnet_keras.runs.optional import require
from nasnet_keras.search.oracles.base import SpaceOracle
from nasnet_keras.search.oracles.evolution import mutate
from nasnet_keras.search.oracles.paths import count_paths

MOST_MUTATIONS = 3
# The paths that the trees see: the most frequent ones in the trials.
MOST_PATHS = 300
# The points whose paths are remembered, some kilobytes each.
REMEMBERED = 16384


class PredictorOracle(SpaceOracle):
    """Searches with a random forest that predicts how trials rank.

    The first trials are random. Then candidates, mutations of the best trials
    and random points, are ordered by an upper confidence bound: the mean of
    the trees' predictions plus `exploration` times their deviation.

    The forest sees each decision, how often each option is taken in all, and
    the paths through the cells, by which it recognizes what computes the same.
    It learns the rank of a reward, so that a few failures among the networks
    do not hide the differences between the good ones.

    Args:
        space: `SearchSpace`.
        first: Integer, the random trials before the first prediction.
        trees: Integer, of the forest.
        exploration: Float, how many deviations above the mean.
        parents: Integer, how many of the best trials are mutated.
        mutations: Integer, the mutations looked at for a trial.
        samples: Integer, the random points looked at for a trial.
        **kwargs: Arguments of `SpaceOracle`.

    Raises:
        ValueError: If an argument is out of range.
        ImportError: If scikit-learn is not installed.
    """

    def __init__(
        self,
        space,
        first=20,
        trees=20,
        exploration=1.0,
        parents=10,
        mutations=200,
        samples=1000,
        **kwargs,
    ):
        require("The predictor", ["sklearn"], "search")
        super().__init__(space, **kwargs)
        self.options = {
            "first": first,
            "trees": trees,
            "exploration": exploration,
            "parents": parents,
            "mutations": mutations,
            "samples": samples,
        }
        for name, value in self.options.items():
            least = 0 if name == "exploration" else 1
            if value < least:
                raise ValueError(
                    f"`{name}` must be at least {least}. "
                    f"Received: {name}={value!r}"
                )
        self._points = []
        self._rewards = []
        self._paths_of = functools.lru_cache(REMEMBERED)(self._count_paths)

    def describe(self):
        return {**super().describe(), **self.options}

    def observe(self, record):
        """A trial becomes an example; a failure one of the lowest rank."""
        reward = self.reward(record)
        self._points.append(self.space.to_actions(record["values"]))
        self._rewards.append(-np.inf if reward is None else reward)

    def candidates(self, number):
        """Yields points, those with the highest bound first."""
        rng = np.random.default_rng([self.seed, number])
        sizes = self.space.sizes
        if len(self._points) >= self.options["first"]:
            points = np.array(self._neighbours(rng) + self._samples(rng))
            for place in np.argsort(-self._bounds(points), kind="stable"):
                yield tuple(points[place].tolist()), {}
        while True:
            yield tuple(int(rng.integers(size)) for size in sizes), {}

    def _neighbours(self, rng):
        """Mutations of the best trials."""
        order = np.argsort(np.negative(self._rewards), kind="stable")
        best = [self._points[i] for i in order[: self.options["parents"]]]
        found = []
        for _ in range(self.options["mutations"]):
            point = best[rng.integers(len(best))]
            for _ in range(rng.integers(1, MOST_MUTATIONS + 1)):
                point = mutate(point, self.space.sizes, rng)
            found.append(point)
        return found

    def _samples(self, rng):
        shape = (self.options["samples"], len(self.space.sizes))
        return rng.integers(self.space.sizes, size=shape).tolist()

    def _bounds(self, points):
        """The upper confidence bound of each point."""
        from sklearn.ensemble import RandomForestRegressor

        vocabulary = self._vocabulary()
        forest = RandomForestRegressor(
            self.options["trees"],
            max_features=0.5,
            random_state=np.random.RandomState([self.seed, len(self._points)]),
        )
        _, ranks = np.unique(self._rewards, return_inverse=True)
        forest.fit(self._encode(self._points, vocabulary), ranks / len(ranks))
        encoded = self._encode(points, vocabulary)
        trees = [tree.predict(encoded) for tree in forest.estimators_]
        deviation = np.std(trees, axis=0)
        return np.mean(trees, axis=0) + self.options["exploration"] * deviation

    def _vocabulary(self):
        """The paths that trials have in common: path -> its column."""
        shared = Counter()
        for point in self._points:
            shared.update(self._paths_of(tuple(point)).keys())
        common = shared.most_common(MOST_PATHS)
        return {path: column for column, (path, _) in enumerate(common)}

    def _count_paths(self, point):
        """How often each path is in the cells of a point."""
        genotype = self.space.to_genotype(point)
        return {
            (kind, *path): count
            for kind in ("normal", "reduction")
            for path, count in count_paths(getattr(genotype, kind)).items()
        }

    def _encode(self, points, vocabulary):
        """Array `(points, features)`: options, how often in all, paths."""
        taken = [
            np.eye(size, dtype="float32")[column]
            for size, column in zip(self.space.sizes, np.asarray(points).T)
        ]
        counts = {}
        for decision, columns in zip(self.space.decisions, taken):
            for option, column in zip(decision.options, columns.T):
                counts[option] = counts.get(option, 0) + column
        paths = np.zeros((len(points), len(vocabulary)), "float32")
        for row, point in zip(paths, points):
            for path, count in self._paths_of(tuple(point)).items():
                if path in vocabulary:
                    row[vocabulary[path]] = count
        return np.column_stack([*taken, *counts.values(), paths])
