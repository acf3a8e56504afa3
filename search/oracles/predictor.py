"""Predictor-guided search: train what an ensemble hopes most of."""

import numpy as np

from nasnet_keras.search.oracles.base import SpaceOracle
from nasnet_keras.search.oracles.evolution import mutate

MOST_MUTATIONS = 3
RIDGE = 0.03  # Of a reward's rank, from 0 to 1, what is taken for noise.
# Of the degree 3: it sees which three decisions go together.
KERNEL = {"degree": 3, "gamma": 1.0, "coef0": 1.0}


class PredictorOracle(SpaceOracle):
    """Searches with an ensemble that predicts how trials rank.

    The first trials are random. Then candidates, mutations of the best trials
    and random points, are ordered by an upper confidence bound: the mean of
    the members' predictions plus `exploration` times their deviation.

    A member is a kernel ridge regression on its own bootstrap sample of the
    trials. Its polynomial kernel sees
    which decisions go together, which trees learn only from many more trials.
    It is shown each decision, and how often each option is taken in all; it
    learns the rank of a reward, so that a few failures among the networks do
    not hide the differences between the good ones.

    Args:
        space: `SearchSpace`.
        first: Integer, the random trials before the first prediction.
        members: Integer, of the ensemble.
        exploration: Float, how many deviations above the mean.
        parents: Integer, how many of the best trials are mutated.
        mutations: Integer, the mutations looked at for a trial.
        samples: Integer, the random points looked at for a trial.
        **kwargs: Arguments of `SpaceOracle`.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        space,
        first=20,
        members=20,
        exploration=2.0,
        parents=10,
        mutations=200,
        samples=1000,
        **kwargs,
    ):
        super().__init__(space, **kwargs)
        self.options = {
            "first": first,
            "members": members,
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
        members = list(self._predictions(points))
        deviation = np.std(members, axis=0)
        return (
            np.mean(members, axis=0) + self.options["exploration"] * deviation
        )

    def _predictions(self, points):
        """Yields what each member predicts for points."""
        from sklearn.kernel_ridge import KernelRidge
        from sklearn.metrics.pairwise import polynomial_kernel

        rng = np.random.default_rng([self.seed, len(self._points)])
        trials = self._encode(self._points)
        # All members see parts of the same kernels.
        among = polynomial_kernel(trials, **KERNEL)
        across = polynomial_kernel(self._encode(points), trials, **KERNEL)
        _, ranks = np.unique(self._rewards, return_inverse=True)
        for _ in range(self.options["members"]):
            drawn = rng.integers(len(trials), size=len(trials))
            member = KernelRidge(alpha=RIDGE, kernel="precomputed")
            member.fit(among[np.ix_(drawn, drawn)], ranks[drawn] / len(ranks))
            yield member.predict(across[:, drawn])

    def _encode(self, points):
        """Array `(points, features)`: options taken, and how often in all.

        Of all decisions, and of all counts, the square is at most 1.
        """
        number = len(self.space.sizes)
        taken = [
            np.eye(size, dtype="float32")[column]
            for size, column in zip(self.space.sizes, np.asarray(points).T)
        ]
        counts = {}
        for decision, columns in zip(self.space.decisions, taken):
            for option, column in zip(decision.options, columns.T):
                counts[option] = counts.get(option, 0) + column
        taken = np.column_stack(taken) / np.sqrt(number)
        counts = np.column_stack([*counts.values()]) / number
        return np.hstack([taken, counts])
