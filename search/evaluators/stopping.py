"""Early stopping of children that are worse than earlier ones."""

import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from nasnet_keras import checks


class MedianStopping:
    """Stops a child that is worse than the median of earlier children.

    Golovin et al. 2017 (Vizier), section 3.2.2: its best accuracy so far is
    compared with the median, over the earlier children, of their mean
    accuracy up to the same epoch.

    Args:
        least_children: Integer, the children trained before any is stopped.
        least_epochs: Integer, the epochs that every child is trained for.

    Raises:
        ValueError: If an argument is below 1.
    """

    def __init__(self, least_children: int = 5, least_epochs: int = 1):
        self.least_children = checks.integer(
            "least_children", least_children, 1
        )
        self.least_epochs = checks.integer("least_epochs", least_epochs, 1)

    def stops(
        self, curve: Sequence[float], earlier: Iterable[Sequence[float]]
    ) -> bool:
        """Returns whether to stop a child.

        Args:
            curve: List of floats, the child's accuracy after each epoch.
            earlier: Iterable of such lists, those of earlier children.
        """
        epochs = len(curve)
        means = [
            statistics.mean(other[:epochs])
            for other in earlier
            if len(other) >= epochs
        ]
        if epochs < self.least_epochs or len(means) < self.least_children:
            return False
        return max(curve) < statistics.median(means)

    def describe(self) -> dict[str, Any]:
        """Returns the rule as JSON can hold it."""
        return vars(self).copy()
