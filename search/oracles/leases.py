"""Trials on lease: those of a tuner that is silent go to another."""

from __future__ import annotations

import time
from collections.abc import Callable


class Leases:
    """When each tuner was last heard of.

    Args:
        seconds: Float, after which a silent tuner counts as lost; `None` waits
            for ever.
        clock: Function that returns seconds.
    """

    def __init__(
        self,
        seconds: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.seconds = seconds
        self.clock = clock
        self._heard: dict[str, float] = {}

    def renew(self, tuner: str) -> None:
        """Notes that a tuner was heard of.

        It takes no lock: a sign of life must not wait for an oracle at work.
        """
        self._heard[tuner] = self.clock()

    def end(self, tuner: str) -> None:
        """Expects nothing more of a tuner."""
        self._heard.pop(tuner, None)

    def take_expired(self) -> list[str]:
        """Returns the tuners that count as lost, and ends their leases."""
        if self.seconds is None:
            return []
        oldest = self.clock() - self.seconds
        heard = list(self._heard.items())  # `renew` may come in between.
        lost = [name for name, at in heard if at < oldest]
        for name in lost:
            self.end(name)
        return lost
