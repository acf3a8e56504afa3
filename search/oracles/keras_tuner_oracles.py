"""The algorithms as `keras_tuner.Oracle`s."""

from __future__ import annotations

from typing import Any

from nasnet_keras.search.oracles.adapter import SpaceOracle
from nasnet_keras.search.oracles.evolution import RegularizedEvolution
from nasnet_keras.search.oracles.policy import PolicySearch
from nasnet_keras.search.oracles.predictor import PredictorSearch
from nasnet_keras.search.oracles.random_search import RandomSearch
from nasnet_keras.search.policy.controller import Controller
from nasnet_keras.search.policy.settings import (
    REINFORCE_SETTINGS,
    SETTINGS,
    Settings,
)
from nasnet_keras.search.spaces.space import SearchSpace


class RandomOracle(SpaceOracle):
    """Random search: every option of every decision is equally likely.

    Args: those of `SpaceOracle`.
    """

    def __init__(self, space: SearchSpace, *args: Any, **kwargs: Any):
        super().__init__(space, *args, **kwargs)
        self.algorithm = RandomSearch(space, self.seed, self.reward)


class EvolutionOracle(SpaceOracle):
    """Regularized evolution (Real et al. 2019, arXiv 1802.01548, section 3).

    The first trials are random. Each later one mutates one decision of the
    best member of a random sample of the population. The population holds the
    trials that ended last: the oldest member is removed regardless of fitness.

    Args:
        space: `SearchSpace`.
        population_size: Integer, P in the paper, which takes 100 for 20,000
            trials. The default suits hundreds.
        sample_size: Integer up to `population_size`, S in the paper (25).
        **kwargs: Arguments of `SpaceOracle`.

    Raises:
        ValueError: If a size is out of range.
    """

    def __init__(
        self,
        space: SearchSpace,
        population_size: int = 20,
        sample_size: int = 5,
        **kwargs: Any,
    ):
        super().__init__(space, **kwargs)
        self.algorithm = RegularizedEvolution(
            space,
            population_size,
            sample_size,
            seed=self.seed,
            reward=self.reward,
        )
        self.population_size = self.algorithm.population_size
        self.sample_size = self.algorithm.sample_size
        self.population = self.algorithm.population


class PredictorOracle(SpaceOracle):
    """Searches with a forest and a linear model that predict how trials rank.

    The first trials are random. Then candidates, mutations of the best trials
    and random points, are ordered by an upper confidence bound: the mean of
    two predictions, a random forest's plus `exploration` times the deviation
    of its trees, and a linear model's.

    Args:
        space: `SearchSpace`.
        first: Integer, the random trials before the first prediction.
        trees: Integer, of the forest.
        exploration: Float, how many deviations above the forest's mean.
        parents: Integer, how many of the best trials are mutated.
        mutations: Integer, the mutations examined for a trial.
        samples: Integer, the random points examined for a fitted model: for
            each trial up to the 100th, then for a fiftieth of the trials.
        **kwargs: Arguments of `SpaceOracle`.

    Raises:
        ValueError: If an argument is out of range.
        ImportError: If scikit-learn is not installed.
    """

    def __init__(
        self,
        space: SearchSpace,
        first: int = 20,
        trees: int = 20,
        exploration: float = 1.0,
        parents: int = 10,
        mutations: int = 200,
        samples: int = 1000,
        **kwargs: Any,
    ):
        super().__init__(space, **kwargs)
        self.algorithm = PredictorSearch(
            space,
            first,
            trees,
            exploration,
            parents,
            mutations,
            samples,
            seed=self.seed,
            reward=self.reward,
        )
        self.options = self.algorithm.options


class PPOOracle(SpaceOracle):
    """Searches with an LSTM controller trained by proximal policy optimization.

    Appendix A.2 of the paper. A tuner never waits for a batch to fill: trials
    are sampled from the current policy. The record of each trial holds its
    log-probability under the policy that proposed it.

    Args:
        space: `SearchSpace`.
        settings: `"paper"` (appendix A.2), `"small"` (hundreds of trials) or
            a `nasnet_keras.search.Settings`. Defaults to `"small"` below
            5,000 trials.
        batch_size: Integer, trials per update; replaces that of the settings.
        units: Integer, of the LSTM.
        loss: `"ppo"` or `"reinforce"`.
        **kwargs: Arguments of `SpaceOracle`.

    Raises:
        ValueError: If an argument is out of range, or an unknown name.
    """

    # The names that `settings` may have.
    known_settings = SETTINGS

    def __init__(
        self,
        space: SearchSpace,
        settings: str | Settings | None = None,
        batch_size: int | None = None,
        units: int = 100,
        loss: str = "ppo",
        **kwargs: Any,
    ):
        super().__init__(space, **kwargs)
        self.algorithm: PolicySearch = PolicySearch(
            space,
            settings,
            batch_size,
            units,
            loss,
            max_trials=self.max_trials,
            limited=bool(self.limits),
            known_settings=self.known_settings,
            seed=self.seed,
            reward=self.reward,
        )
        self.units = self.algorithm.units
        self.loss = loss

    @property
    def settings(self) -> Settings:
        """How the policy learns."""
        return self.algorithm.settings

    @property
    def controller(self) -> Controller:
        """The current policy."""
        return self.algorithm.learner.controller

    @property
    def updates(self) -> int:
        """The batches that the policy has learned."""
        return self.algorithm.learner.updates

    @property
    def baseline(self) -> float | None:
        """The moving average of rewards; `None` before the first update."""
        return self.algorithm.learner.baseline


class ReinforceOracle(PPOOracle):
    """Searches with an LSTM controller trained by plain policy gradients.

    Williams 1992, as in Zoph and Le 2017 (arXiv 1611.01578).

    Args: those of `PPOOracle` but `loss`. Its named settings take one step
    per batch.
    """

    known_settings = REINFORCE_SETTINGS

    def __init__(self, space: SearchSpace, **kwargs: Any):
        super().__init__(space, loss="reinforce", **kwargs)
