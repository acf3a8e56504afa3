"""Predictor-guided search: a forest and a linear model rank the candidates."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from nasnet_keras import checks
from nasnet_keras.runs.optional import require
from nasnet_keras.search.oracles.algorithm import (
    Actions,
    Algorithm,
    Notes,
    Record,
    age_of,
    ranks_by_age,
)
from nasnet_keras.search.oracles.evolution import mutate
from nasnet_keras.search.oracles.features import Features
from nasnet_keras.search.spaces.space import SearchSpace

MAX_MUTATIONS = 3
# The model is fitted anew when the trials have grown by a part: after each of
# the first hundred, every 20 at 1,000.
PART = 50


class Model(NamedTuple):
    """What was fitted to the first trials.

    Args:
        vocabulary: Dictionary, path -> column of the features.
        forest, linear: Regressors of scikit-learn.
    """

    vocabulary: dict[tuple, int]
    forest: Any
    linear: Any


class PredictorSearch(Algorithm):
    """The algorithm of `PredictorOracle`, which documents the arguments.

    A random forest and Bayesian ridge regression predict together: the forest
    learns what depends on several decisions, the linear model needs fewer
    trials for what adds up.

    The target is the rank of the reward, so that a few failures do not hide
    the differences between good networks. Rewards of shared weights are ranked
    among those of the same age: later ones are higher.

    A model serves a trial at first, then more of them as their number grows;
    its random points are shared out among those trials.

    Attributes:
        options: Dictionary, the arguments.
        features: `Features`.
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
        self.features = Features(space)
        self._fitted: tuple[int, Any] = (0, None)

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
        """Returns random points: their share of those of the model."""
        served = served_trials(examples(len(self.points)))
        number = math.ceil(self.options["samples"] / served)
        shape = (number, len(self.space.sizes))
        return rng.integers(self.space.sizes, size=shape).tolist()

    def bounds(self, points: np.ndarray) -> np.ndarray:
        """Returns the upper confidence bound of each point.

        It is the mean of both predictions, plus `exploration` times half the
        deviation of the trees.
        """
        model = self._model()
        encoded = self.features.encode(points, model.vocabulary)
        trees = [tree.predict(encoded) for tree in model.forest.estimators_]
        deviation = np.std(trees, axis=0)
        bounds = (
            np.mean(trees, axis=0) + self.options["exploration"] * deviation
        )
        counted = encoded[:, : model.linear.n_features_in_]
        return (bounds + model.linear.predict(counted)) / 2

    def _model(self):
        """Returns the model of the first trials, fitted when it is due.

        How many they are follows from the number of trials alone: a search
        that was interrupted proposes the same.
        """
        size = examples(len(self.points))
        if self._fitted[0] != size:
            self._fitted = (size, self._fit(size))
        return self._fitted[1]

    def _fit(self, size):
        from sklearn.ensemble import RandomForestRegressor
        from sklearn.linear_model import BayesianRidge

        points, ranks = self.points[:size], self.ranks(size)
        vocabulary = self.features.vocabulary(points)
        known = self.features.encode(points, vocabulary)
        forest = RandomForestRegressor(
            self.options["trees"],
            max_features=0.5,
            random_state=np.random.RandomState([self.seed, size]),
        )
        # Without the paths: there are more of them than trials.
        counted = known[:, : known.shape[1] - len(vocabulary)]
        return Model(
            vocabulary,
            forest.fit(known, ranks),
            BayesianRidge().fit(counted, ranks),
        )

    def ranks(self, trials: int | None = None) -> np.ndarray:
        """Returns the rank of each reward among those of its age, 0 to 1.

        Args:
            trials: Integer, the first trials that are ranked; `None` for all.
        """
        return ranks_by_age(self.rewards[:trials], self.ages[:trials])


def examples(trials: int) -> int:
    """Returns how many of a number of trials a model is fitted to."""
    size = 1
    while size + served_trials(size) <= trials:
        size += served_trials(size)
    return size


def served_trials(size: int) -> int:
    """Returns how many trials a model is used for.

    Args:
        size: Integer, the trials that it was fitted to.
    """
    return max(1, size // PART)
