"""Predictor-guided search: a forest and a linear model rank the candidates."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from nasnet_keras import checks
from nasnet_keras.runs.optional import require
from nasnet_keras.search.oracles.algorithm import (
    Actions,
    Algorithm,
    Notes,
    Record,
    age_of,
)
from nasnet_keras.search.oracles.evolution import mutate
from nasnet_keras.search.oracles.paths import count_paths
from nasnet_keras.search.spaces.space import SearchSpace

MAX_MUTATIONS = 3
# Paths that are features of the forest: the most frequent ones in the trials.
MAX_PATHS = 300
# Points whose paths are cached, some kilobytes each.
CACHED_POINTS = 16384


class PredictorSearch(Algorithm):
    """The algorithm of `PredictorOracle`, which documents the arguments.

    A random forest and Bayesian ridge regression predict together: the forest
    learns what depends on several decisions, the linear model needs fewer
    trials for what adds up.

    The features are each decision, how often each option is taken in total
    and in each cell, and the paths through the cells: cells that compute the
    same have equal paths. The target is the rank of the reward, so that a few
    failures do not hide the differences between good networks. Rewards of
    shared weights are ranked among those of the same age: later ones are
    higher.

    Attributes:
        options: Dictionary, the arguments.
        points: List of the actions of the trials observed.
        rewards: List of their rewards; -inf for a failure.
        ages: List of the ages of their rewards, see `age_of`.
    """

    def __init__(
        self,
        space: SearchSpace,
        first: int,
        trees: int,
        exploration: float,
        parents: int,
        mutations: int,
        samples: int,
        **kwargs: Any,
    ):
        require("The predictor", ["sklearn"], "search")
        super().__init__(space, **kwargs)
        self.options = {
            "first": checks.integer("first", first, 1),
            "trees": checks.integer("trees", trees, 1),
            "exploration": checks.number("exploration", exploration, 0),
            "parents": checks.integer("parents", parents, 1),
            "mutations": checks.integer("mutations", mutations, 1),
            "samples": checks.integer("samples", samples, 1),
        }
        self.points: list[Actions] = []
        self.rewards: list[float] = []
        self.ages: list[float | None] = []
        self._paths_of = functools.lru_cache(CACHED_POINTS)(self._count_paths)

    def describe(self) -> dict[str, Any]:
        return self.options

    def observe(self, record: Record) -> None:
        """Adds a training example; a failure gets the lowest rank."""
        reward = self.reward(record)
        self.points.append(self.space.to_actions(record["values"]))
        self.rewards.append(-np.inf if reward is None else reward)
        self.ages.append(age_of(record))

    def candidates(self, number: int) -> Iterator[tuple[Actions, Notes]]:
        """Yields points, the highest bound first; then random points."""
        rng = np.random.default_rng([self.seed, number])
        if len(self.points) >= self.options["first"]:
            points = np.array(self._neighbours(rng) + self._samples(rng))
            for place in np.argsort(-self.bounds(points), kind="stable"):
                yield tuple(points[place].tolist()), {}
        while True:
            yield self.space.sample(rng), {}

    def _neighbours(self, rng):
        """Returns mutations of the best trials."""
        order = np.argsort(-self.ranks(), kind="stable")
        best = [self.points[i] for i in order[: self.options["parents"]]]
        neighbours = []
        for _ in range(self.options["mutations"]):
            point = best[rng.integers(len(best))]
            for _ in range(rng.integers(1, MAX_MUTATIONS + 1)):
                point = mutate(point, self.space.sizes, rng)
            neighbours.append(point)
        return neighbours

    def _samples(self, rng):
        shape = (self.options["samples"], len(self.space.sizes))
        return rng.integers(self.space.sizes, size=shape).tolist()

    def bounds(self, points: np.ndarray) -> np.ndarray:
        """Returns the upper confidence bound of each point.

        It is the mean of both predictions, plus `exploration` times half the
        deviation of the trees.
        """
        from sklearn.ensemble import RandomForestRegressor
        from sklearn.linear_model import BayesianRidge

        vocabulary, ranks = self.vocabulary(), self.ranks()
        known = self.encode(self.points, vocabulary)
        encoded = self.encode(points, vocabulary)
        forest = RandomForestRegressor(
            self.options["trees"],
            max_features=0.5,
            random_state=np.random.RandomState([self.seed, len(self.points)]),
        )
        forest.fit(known, ranks)
        trees = [tree.predict(encoded) for tree in forest.estimators_]
        deviation = np.std(trees, axis=0)
        bounds = (
            np.mean(trees, axis=0) + self.options["exploration"] * deviation
        )
        # Without the paths: there are more of them than trials.
        size = known.shape[1] - len(vocabulary)
        linear = BayesianRidge().fit(known[:, :size], ranks)
        return (bounds + linear.predict(encoded[:, :size])) / 2

    def ranks(self) -> np.ndarray:
        """Returns the rank of each reward among those of its age, 0 to 1."""
        ranks, rewards = np.zeros(len(self.rewards)), np.array(self.rewards)
        ages = np.array([-1 if age is None else age for age in self.ages])
        for age in np.unique(ages):
            own = ages == age
            _, order = np.unique(rewards[own], return_inverse=True)
            ranks[own] = order / own.sum()
        return ranks

    def vocabulary(self) -> dict[tuple, int]:
        """Returns the most frequent paths of the trials: path -> column."""
        counts: Counter[tuple] = Counter()
        for point in self.points:
            counts.update(self._paths_of(tuple(point)).keys())
        common = counts.most_common(MAX_PATHS)
        return {path: column for column, (path, _) in enumerate(common)}

    def _count_paths(self, point):
        """Counts each path in the cells of a point."""
        genotype = self.space.to_genotype(point)
        return {
            (kind, *path): count
            for kind in ("normal", "reduction")
            for path, count in count_paths(getattr(genotype, kind)).items()
        }

    def encode(
        self, points: Sequence | np.ndarray, vocabulary: dict[tuple, int]
    ) -> np.ndarray:
        """Returns the features of points, an array `(points, features)`.

        They are: each decision one-hot; how often each option is taken, and
        in each cell, where the names of decisions say in which; how often
        each path of the vocabulary occurs.
        """
        taken = [
            np.eye(size, dtype="float32")[column]
            for size, column in zip(self.space.sizes, np.asarray(points).T)
        ]
        counts: dict[Any, Any] = {}
        by_cell: dict[Any, Any] = {}
        for decision, columns in zip(self.space.decisions, taken):
            cell = decision.name.split("/")[0]
            for option, column in zip(decision.options, columns.T):
                counts[option] = counts.get(option, 0) + column
                if "/" in decision.name:
                    key = cell, option
                    by_cell[key] = by_cell.get(key, 0) + column
        paths = np.zeros((len(points), len(vocabulary)), "float32")
        for row, point in zip(paths, points):
            for path, count in self._paths_of(tuple(point)).items():
                if path in vocabulary:
                    row[vocabulary[path]] = count
        counted = [*counts.values(), *by_cell.values()]
        return np.column_stack([*taken, *counted, paths])
