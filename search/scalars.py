"""A search in TensorBoard: `tensorboard --logdir RUN`."""

from __future__ import annotations

import pathlib
from typing import Any

FOLDER = "tensorboard"


class Scalars:
    """Writes what TensorBoard draws, a point for each trial that ended.

    `reward`, `best`, `busy_workers`, and of a policy `policy/updates`,
    `policy/entropy` (nats of a proposal) and `policy/staleness` (the updates
    since the policy that proposed the trial).

    Args:
        folder: `pathlib.Path` of the search.
    """

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self._writer: Any = None

    def _opened(self):
        """The writer: a search that has ended leaves no empty file."""
        if self._writer is None:
            from tensorboard.summary import Writer

            self._writer = Writer(str(self.folder / FOLDER))
        return self._writer

    def write(
        self, step: int, reward: float | None, best: float | None, oracle: Any
    ) -> None:
        """Writes a trial that has just ended.

        Args:
            step: Integer, how many have ended.
            reward: Float, its reward; `None` if it failed.
            best: Float, the best reward; `None` if there is none.
            oracle: `SpaceOracle`.
        """
        values = {
            "reward": reward,
            "best": best,
            # The trial's own worker was busy until now.
            "busy_workers": len(oracle.ongoing_trials) + 1,
            **oracle.algorithm.report(),
        }
        for name, value in values.items():
            if value is not None:
                self._opened().add_scalar(name, value, step)

    def close(self) -> None:
        """Writes what is waiting."""
        if self._writer is not None:
            self._writer.close()
