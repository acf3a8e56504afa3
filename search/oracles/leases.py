"""Trials on lease: those of a tuner that is silent go to another."""

from __future__ import annotations

import collections
import time
from collections.abc import Callable
from typing import Any

from nasnet_keras.search.oracles.trials import Status

# A trial whose tuner is lost so often fails: it may be what kills them.
LOSSES = 2


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

    def names(self) -> set[str]:
        """Returns the tuners that have a lease."""
        return set(self._heard)

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


class Leasing:
    """The part of `SpaceOracle` that expects signs of life of its tuners."""

    # Of the oracle.
    leases: Leases
    tuner_ids: set[str]
    ongoing_trials: dict[str, Any]
    _lock: Any
    _losses: collections.Counter[str]
    _repeat: Callable[[Any], None]
    _record: Callable[[Any], None]
    _stop_after_failures: Callable[[], None]

    def take_back(self):
        """Takes back the trials of tuners that were silent for too long.

        Raises:
            OSError: If the journal cannot be written.
            RuntimeError: If too many trials in a row have failed so.
        """
        with self._lock:
            lost = self.leases.take_expired()
            taken = [(x, self.ongoing_trials.pop(x, None)) for x in lost]
            if self.leases.seconds is not None:
                # Of all of them before anything can fail: one that stayed
                # without a lease would be waited for for ever.
                self.tuner_ids.intersection_update(self.leases.names())
            problems = []
            for tuner_id, trial in taken:
                try:
                    if trial is not None:
                        self._lose(trial, tuner_id)
                except OSError as error:
                    problems.append(error)
            if problems:
                raise problems[0]
            if lost:
                self._stop_after_failures()

    def forget(self, tuner_id):
        """Expects nothing more of a tuner."""
        with self._lock:
            self.tuner_ids.discard(tuner_id)
            self.leases.end(tuner_id)

    def _lose(self, trial, tuner_id):
        """Gives a trial to another tuner, or records that it has failed."""
        self._losses[trial.trial_id] += 1
        if self._losses[trial.trial_id] < LOSSES:
            self._repeat(trial)
            return
        trial.status = Status.FAILED
        trial.message = (
            f"Its worker was lost {LOSSES} times. The last one, {tuner_id}, "
            f"was not heard of for {self.leases.seconds:g} s."
        )
        try:
            self._record(trial)
        except OSError:  # A full disk: the trial has not ended.
            self._repeat(trial)
            raise
