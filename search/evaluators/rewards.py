"""What a search maximizes: quality, alone or with a target for the cost.

Tan et al. 2019 (MnasNet, arXiv 1807.11626), section 3.1.
"""

import dataclasses
from collections.abc import Iterable
from typing import Any

from nasnet_keras import checks
from nasnet_keras.search.names import COSTS, QUALITIES


@dataclasses.dataclass(frozen=True)
class Reward:
    """quality * (cost / target) ** exponent, the exponent below 0.

    The quality is the accuracy, or the likelihood: `exp(-cross-entropy)`, the
    geometric mean of the probabilities that are given to the true classes. It
    is less noisy: on 500 images, the likelihoods on two halves of them order
    children more alike than the accuracies do.

    With MnasNet's exponent -0.07, twice the cost balances 5 % more accuracy.
    Networks below the target are rewarded, those above it penalized; with
    `hard` those below are not rewarded.

    Args:
        cost: `None` (accuracy alone), `"parameters"`, `"macs"` (multiply-adds
            for one image) or `"latency_ms"` (measured, one image).
        target: Positive number, in the unit of the cost.
        exponent: Float up to 0.
        hard: Whether the cost counts only above the target.
        quality: `"val_accuracy"` or `"val_likelihood"`.

    Call arguments:
        measurements: Dictionary with the quality and the cost.

    Returns:
        Float.

    Raises:
        ValueError: If an argument is out of range.
    """

    cost: str | None = None
    target: float | None = None
    exponent: float = -0.07
    hard: bool = False
    quality: str = QUALITIES[0]

    def __post_init__(self) -> None:
        checks.choice("cost", self.cost, (None, *COSTS))
        if (self.cost is None) != (self.target is None):
            raise ValueError(
                "`cost` and `target` go together. Received: "
                f"cost={self.cost!r}, target={self.target!r}"
            )
        if self.target is not None:
            target = checks.number("target", self.target, above=0)
            object.__setattr__(self, "target", target)
        exponent = checks.number("exponent", self.exponent, most=0)
        object.__setattr__(self, "exponent", exponent)
        object.__setattr__(self, "hard", checks.flag("hard", self.hard))
        checks.choice("quality", self.quality, QUALITIES)

    @property
    def measures_latency(self) -> bool:
        """Whether the cost must be measured on a built network."""
        return self.cost == "latency_ms"

    def __call__(self, measurements: dict[str, float]) -> float:
        quality = measurements[self.quality]
        if self.cost is None or self.target is None:
            return quality
        ratio = measurements[self.cost] / self.target
        if self.hard:
            ratio = max(ratio, 1.0)
        return quality * ratio**self.exponent

    def describe(self) -> str | dict[str, Any]:
        """Returns the reward as JSON can hold it."""
        if self.cost is None:
            return self.quality
        described = dataclasses.asdict(self)
        if self.quality == QUALITIES[0]:  # Earlier versions had no other.
            del described["quality"]
        return described


def pareto_front(
    records: Iterable[dict[str, Any]], cost: str
) -> list[dict[str, Any]]:
    """Returns the trials that no other trial dominates.

    A trial dominates another with the same or a lower cost and the same or a
    higher accuracy; of equal ones the first is returned.

    Args:
        records: Dictionaries, a search's trials: `metrics` with
            `val_accuracy` and the cost.
        cost: String, the name of the cost.

    Returns:
        List of the records on the front, cheapest first, without trials
        that failed or did not measure the cost.
    """
    measured = [
        record
        for record in records
        if record["score"] is not None
        and record["metrics"].get(cost) is not None
        and record["metrics"].get("val_accuracy") is not None
    ]
    measured.sort(
        key=lambda r: (r["metrics"][cost], -r["metrics"]["val_accuracy"])
    )
    front, best = [], -float("inf")
    for record in measured:
        if record["metrics"]["val_accuracy"] > best:
            best = record["metrics"]["val_accuracy"]
            front.append(record)
    return front
