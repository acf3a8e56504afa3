"""The contract of evaluators: genotype in, an `Evaluation` out."""

import dataclasses
from typing import NamedTuple

from nasnet_keras.search.evaluators.rewards import Reward


class Evaluation(NamedTuple):
    """What an evaluator says of a genotype.

    Args:
        reward: Float, larger is better.
        measurements: Dictionary, name -> number; `val_accuracy` (0 to 1)
            among them.
        curve: List of floats, `val_accuracy` after each epoch; empty where
            there are none.
    """

    reward: float
    measurements: dict
    curve: list


class Evaluator:
    """Evaluates genotypes; it knows nothing of the oracle that proposes them.

    Subclasses implement `measure(genotype, **settings)`.

    Attributes:
        settings: Names of the decisions that may ride along: the further
            arguments of `measure`.

    Args:
        network: `nasnet_keras.search.Network`, of which parameters and
            multiply-adds are counted; `None` counts nothing.
        reward: `Reward`. Defaults to the accuracy alone.

    Call arguments:
        genotype: `nasnet_keras.Genotype`.
        settings: What the decisions that ride along take, by name.

    Returns:
        An `Evaluation`.
    """

    settings = ()

    def __init__(self, network=None, reward=Reward()):
        self.network = network
        self.reward = reward

    def __call__(self, genotype, **settings):
        measurements, curve = self.examine(genotype, **settings)
        return Evaluation(self.reward(measurements), measurements, curve)

    def examine(self, genotype, **settings):
        """Returns what `measure` returns, with what the network costs."""
        measurements, curve = self.measure(genotype, **settings)
        if self.network is not None:
            network = self.network.with_settings(settings)
            measurements |= network.count(genotype)._asdict()
            if self.reward.measures_latency:
                measurements["latency_ms"] = network.latency(genotype)
        return measurements, curve

    def measure(self, genotype, **settings):
        """Returns measurements (a dictionary) and the curve (a list)."""
        raise NotImplementedError

    def check(self, space):
        """Refuses a space of which it does not take all decisions.

        Raises:
            ValueError: If a decision rides along that is none of `settings`.
        """
        for name in space.settings:
            if name not in self.settings:
                known = ", ".join(sorted(self.settings)) or "none"
                raise ValueError(
                    f"The space decides on {name!r} as well, which "
                    f"{type(self).__name__} does not take. It takes: {known}"
                )

    def resume(self, folder, records):
        """Called once before the first genotype of a search, or of its rest.

        Args:
            folder: `pathlib.Path` of the search.
            records: List of its ended trials, in order, see `SpaceOracle`.
                More are appended to it as they end.
        """

    def close(self):
        """Called at the end of a search: gives back what it holds."""

    def describe(self):
        """Returns what the rewards depend on, as JSON can hold it."""
        network = self.network and dataclasses.asdict(self.network)
        return {
            "evaluator": type(self).__name__,
            "reward": self.reward.describe(),
            "network": network,
        }
