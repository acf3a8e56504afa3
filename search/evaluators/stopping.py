"""Which children are not worth training to their end."""

import statistics


class MedianStopping:
    """Stops a child that is worse than the median of those before it.

    Golovin et al. 2017 (Vizier), section 3.2.2: its best accuracy so far is
    compared with the median, over the children that were trained, of their
    mean accuracy up to the same epoch.

    Args:
        least_children: Integer, the children trained before any is stopped.
        least_epochs: Integer, the epochs that every child is given.

    Raises:
        ValueError: If an argument is below 1.
    """

    def __init__(self, least_children=5, least_epochs=1):
        for name, value in (
            ("least_children", least_children),
            ("least_epochs", least_epochs),
        ):
            if value < 1:
                raise ValueError(
                    f"`{name}` must be at least 1. Received: {name}={value!r}"
                )
        self.least_children = least_children
        self.least_epochs = least_epochs

    def stops(self, curve, earlier):
        """Whether to stop.

        Args:
            curve: List of floats, the child's accuracy after each epoch.
            earlier: Iterable of such lists, those of the children before.
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

    def describe(self):
        """Returns the rule as JSON can hold it."""
        return vars(self).copy()
