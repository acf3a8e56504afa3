"""The contract of evaluators: genotype in, an `Evaluation` out."""

import dataclasses
import pathlib
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple

import keras

from nasnet_keras.genotypes import Genotype
from nasnet_keras.search.evaluators.network import Network
from nasnet_keras.search.evaluators.rewards import Reward
from nasnet_keras.search.names import SIZES
from nasnet_keras.search.spaces import SearchSpace
from nasnet_keras.training.data.dataset import Dataset


class EvaluatorError(RuntimeError):
    """No genotype can be evaluated: the search must stop.

    Any other error of an evaluator fails the trial of its genotype alone.
    """


class Evaluation(NamedTuple):
    """What an evaluator returns for a genotype.

    Args:
        reward: Float, larger is better.
        measurements: Dictionary, name -> number; `val_accuracy` (0 to 1)
            among them.
        curve: List of floats, `val_accuracy` after each epoch; empty if the
            evaluator trains no epochs.
    """

    reward: float
    measurements: dict[str, float]
    curve: list[float]


class Judge(NamedTuple):
    """A later stage of a search: the best genotypes are evaluated again.

    Args:
        children: Integer, the number of genotypes.
        evaluator: `Evaluator`, of another fidelity or seed than the trials'.
        name: String, for the reader.
        length: Float, how much longer a child takes than one of the trials.
    """

    children: int
    evaluator: "Evaluator"
    name: str
    length: float = 1.0


class Evaluator:
    """Evaluates genotypes; it knows nothing of the oracle that proposes them.

    Subclasses implement `measure(genotype, **settings)`.

    Attributes:
        settings: Names of the searched settings that it accepts: the further
            arguments of `measure`.
        trials: The number of trials of a search; `None` leaves it to the user.
        workers: The genotypes that it evaluates at a time.
        remembers: What a result depends on besides the genotype and settings:
            `""` (nothing), `"curves"` (of the records given to `resume`) or
            `"weights"` (that it keeps between genotypes).

    Args:
        network: `nasnet_keras.search.Network` whose parameters and
            multiply-adds are counted; `None` counts nothing.
        reward: `Reward`. Defaults to the accuracy alone.

    Call arguments:
        genotype: `nasnet_keras.Genotype`.
        settings: Values of the searched settings, by name.

    Returns:
        An `Evaluation`.
    """

    settings: tuple[str, ...] = ()
    trials: int | None = None
    workers: int = 1
    remembers: str = ""

    def __init__(
        self, network: Network | None = None, reward: Reward = Reward()
    ):
        self.network = network
        self.reward = reward

    def __call__(self, genotype: Genotype, **settings: Any) -> Evaluation:
        measured = self.compute(genotype, **settings)
        return self.to_evaluation(measured, genotype, settings)

    def submit(
        self,
        genotype: Genotype,
        settings: dict[str, Any] | None = None,
        name: str = "",
    ) -> Future[Evaluation]:
        """Begins the evaluation of a genotype; returns its future.

        Here it has ended when this returns. An evaluator with several workers
        returns at once.

        Args:
            genotype: `Genotype`.
            settings: Dictionary, the values of the searched settings.
            name: String, for the logs of the workers.
        """
        future: Future[Evaluation] = Future()
        try:
            future.set_result(self(genotype, **settings or {}))
        except Exception as error:
            future.set_exception(error)
        return future

    def running(self) -> list[float]:
        """Returns how many seconds each child at hand has been running.

        Only an evaluator that works in other threads or processes can tell.
        """
        return []

    def to_evaluation(
        self,
        measured: tuple[dict[str, float], list[float]],
        genotype: Genotype,
        settings: dict[str, Any],
    ) -> Evaluation:
        """Returns the `Evaluation` of what `compute` returned.

        It adds the costs of the network, which are counted.
        """
        measurements, curve = measured
        if self.network is not None:
            network = self.network.with_settings(settings)
            sized = network.sized(genotype)
            measurements |= sized.count(genotype)._asdict()
            if network.budget is not None:
                measurements["filters"] = network.filters_of(genotype)
        return Evaluation(self.reward(measurements), measurements, curve)

    def compute(
        self, genotype: Genotype, **settings: Any
    ) -> tuple[dict[str, float], list[float]]:
        """Returns the results of `measure`, and the latency if it counts.

        All that needs a built network; it may run in another process.
        """
        measurements, curve = self.measure(genotype, **settings)
        if self.network is not None and self.reward.measures_latency:
            network = self.network.with_settings(settings)
            measurements["latency_ms"] = network.latency(genotype)
        return measurements, curve

    def measure(
        self, genotype: Genotype, **settings: Any
    ) -> tuple[dict[str, float], list[float]]:
        """Returns measurements (a dictionary) and the curve (a list)."""
        raise NotImplementedError(
            f"{type(self).__name__} must implement "
            "measure(genotype, **settings)"
        )

    def check(self, space: SearchSpace) -> None:
        """Refuses a space whose points the evaluator cannot evaluate.

        Raises:
            ValueError: If a searched setting is not among `settings`, or the
                network cannot be made of the space's cells.
        """
        for name in space.settings:
            if name not in self.settings:
                known = ", ".join(sorted(self.settings)) or "none"
                raise ValueError(
                    f"The space decides on {name!r} as well, which "
                    f"{type(self).__name__} does not take. It takes: {known}"
                )
        if self.network is not None:
            self._check_size(self.network, space)
            self._check_networks(self.network, space)

    def check_alone(self, where: str, known: Sequence[str] = ()) -> None:
        """Refuses to be run where what it remembers is not.

        Args:
            where: String, for the error message.
            known: What there is of it, see `remembers`.

        Raises:
            ValueError: With what to use instead.
        """
        remedies = {
            "curves": "Leave `stopping` out",
            "weights": "Use TrainFromScratch, or one process without workers",
        }
        if self.remembers and self.remembers not in known:
            raise ValueError(
                f"{where} does not have the {self.remembers} of earlier "
                f"children, which this {type(self).__name__} needs. "
                f"{remedies[self.remembers]}."
            )

    @staticmethod
    def _check_size(network, space):
        """Refuses a budget beside searched filters."""
        if network.budget is None:
            return
        size = set(SIZES).intersection(space.settings) - {network.budget}
        if size:
            raise ValueError(
                f"The space decides on {', '.join(sorted(size))}, which sets "
                "the size of a child, and so does "
                f"{network.budget}={getattr(network, network.budget)}. Give "
                f"the recipe {min(size)!r} in place of {network.budget!r}, or "
                "do not search it"
            )

    @staticmethod
    def _check_networks(network, space):
        """Configures, without building, a network with each setting."""
        first = [0] * len(space.decisions)
        try:
            genotype = space.to_genotype(first)
        except NotImplementedError as error:
            raise ValueError(str(error)) from error
        network.check_budget(genotype)
        network.config(genotype)
        for decision in space.decisions:
            if decision.name in space.settings:
                for option in decision.options:
                    changed = network.with_settings({decision.name: option})
                    changed.check_budget(genotype)
                    changed.config(genotype)

    def resume(
        self, folder: pathlib.Path | None, records: Sequence[dict[str, Any]]
    ) -> None:
        """Called once when a search starts or resumes, before any genotype.

        Args:
            folder: `pathlib.Path` of the search.
            records: List of its ended trials, in order, see `SpaceOracle`.
                Later trials are appended to it as they end.
        """

    def later_stages(self, trials: int) -> list[Judge]:
        """Returns the stages that follow the trials, see `Judge`.

        The last one decides which genotype is the best. Where rewards are
        noisy there must be one: the highest of many is a lucky one.

        Args:
            trials: Integer, the number of trials.
        """
        return []

    def close(self) -> None:
        """Called when the trials have ended, and at the end of a search.

        Releases resources. It may be used again.
        """

    def describe(self) -> dict[str, Any]:
        """Returns what the rewards depend on, as JSON can hold it."""
        network = self.network and dataclasses.asdict(self.network)
        return {
            "evaluator": type(self).__name__,
            "reward": self.reward.describe(),
            "network": network,
        }


def describe_data(dataset: Dataset) -> dict[str, Any]:
    """Returns the dataset and the backend, as JSON can hold them.

    The dtype policy is among them where it is not Keras' default: searches
    from before it was recorded resume.
    """
    policy = keras.config.dtype_policy().name
    return {
        **({} if policy == "float32" else {"dtype_policy": policy}),
        "data": {
            "name": dataset.name,
            "sha256": dataset.digest,
            "image_size": dataset.input_shape[0],
        },
        "backend": keras.backend.backend(),
    }
