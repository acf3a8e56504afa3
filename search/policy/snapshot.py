"""A saved policy, which saves time after a restart."""

from typing import NamedTuple

import numpy as np


class Snapshot(NamedTuple):
    """The policy after a number of updates.

    Args:
        updates: Integer.
        weights: List of arrays, see `Controller.get_weights`.
    """

    updates: int
    weights: list[np.ndarray]
