"""Limits on the costs of the networks that a search evaluates."""

import dataclasses
from typing import Any

from nasnet_keras import checks
from nasnet_keras.genotypes import Genotype
from nasnet_keras.search.evaluators.network import Network


@dataclasses.dataclass(frozen=True)
class Limits:
    """Decides which genotypes may be evaluated.

    Args:
        network: `Network` whose costs are limited.
        max_parameters: Optional integer.
        max_macs: Optional integer, multiply-adds for one image.

    Call arguments:
        genotype: `Genotype`.
        settings: Values of the searched settings, by name.

    Returns:
        Whether the network is within both limits.

    Raises:
        ValueError: If a limit is no positive integer.
    """

    network: Network
    max_parameters: int | None = None
    max_macs: int | None = None

    def __post_init__(self) -> None:
        for name in ("max_parameters", "max_macs"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, checks.integer(name, value, 1))

    def __call__(self, genotype: Genotype, **settings: Any) -> bool:
        costs = self.network.with_settings(settings).count(genotype)
        return not (
            self.max_parameters and costs.parameters > self.max_parameters
        ) and not (self.max_macs and costs.macs > self.max_macs)

    def __str__(self) -> str:
        limits = {
            "parameters": self.max_parameters,
            "multiply-adds": self.max_macs,
        }
        return " and ".join(
            f"at most {limit:,} {name}"
            for name, limit in limits.items()
            if limit is not None
        )

    def describe(self) -> dict[str, Any]:
        """Returns the limits as JSON can hold them."""
        return dataclasses.asdict(self)
