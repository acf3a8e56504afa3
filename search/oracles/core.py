"""The core of an oracle: which point each trial gets. Pure: no files."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from nasnet_keras.search.oracles.algorithm import Actions, Notes, Record
from nasnet_keras.search.spaces.space import SearchSpace

# How many candidates are examined for one trial.
CANDIDATES = 10000
# NumPy's generators of [a, b] and [a, b, 0] are the same; those with a spawn
# key are like no list's. The first word of the key names the purpose.
STREAM = 0


class Core:
    """Chooses among an algorithm's candidates.

    Enqueued points come first, then the first candidate that is new and
    within the limits, then the first within the limits, then a random point.

    Args:
        algorithm: `Algorithm`, or an object with its `space`, `seed`,
            `repeats`, `candidates`, `notes_of` and `observe`.
        enqueue: Sequence of points (actions or values) that come first.
        limits: Optional function of a `Genotype` that returns whether it may
            be proposed, see `SpaceOracle`.

    Raises:
        ValueError: If a point of `enqueue` is outside the space or limits.

    Attributes:
        records: List of the ended trials, in order.
        earlier: List of the ended trials of another search, known before.
    """

    def __init__(
        self,
        algorithm: Any,
        enqueue: Iterable[Any] = (),
        limits: Callable[..., bool] | None = None,
    ):
        self.algorithm = algorithm
        self.space: SearchSpace = algorithm.space
        self.seed: int = algorithm.seed
        self.limits: Any = limits
        if limits is not None and not callable(limits):
            raise ValueError(
                "`limits` must be a function of a genotype, see `Limits`. "
                f"Received: limits={limits!r}"
            )
        if not isinstance(enqueue, Iterable) or isinstance(enqueue, str | dict):
            raise ValueError(
                "`enqueue` must be a sequence of points, each a tuple of "
                "actions or a dictionary of values. Received: "
                f"enqueue={enqueue!r}"
            )
        self.enqueued = [self._check_point(point) for point in enqueue]
        self.records: list[Record] = []
        self.earlier: list[Record] = []
        self._known: set[Actions] = set()

    def propose(self, number: int) -> tuple[Actions, Notes]:
        """Returns the actions of one trial and the notes of its proposal.

        Raises:
            ValueError: If no architecture within the limits is found.
        """
        actions, notes = self._choose(number)
        self._known.add(actions)
        return actions, notes

    def observe(self, record: Record) -> None:
        """Takes an ended trial: here its reward reaches the algorithm."""
        self.records.append(record)
        self._known.add(self.space.to_actions(record["values"]))
        self.algorithm.observe(record)

    def observe_earlier(self, record: Record) -> None:
        """Takes a trial of another search; its point may be proposed again."""
        self.earlier.append(record)
        self.algorithm.observe(record)

    def check_limits(self) -> None:
        """Refuses limits that no architecture is within.

        Raises:
            ValueError: If none of many random ones is.
        """
        if self.limits is not None:
            self._random_point(0, CANDIDATES)

    def describe(self) -> dict[str, Any]:
        """Returns the configuration that must not change within a search."""
        return {
            "space": self.space.to_dict(),
            "cells": digest_of_cells(self.space),
            **({"limits": self.limits.describe()} if self.limits else {}),
            **({"enqueued": self.enqueued} if self.enqueued else {}),
        }

    def adopt(self, config: dict[str, Any]) -> None:
        """Takes the enqueued points of a `config.json` if none were given."""
        if not self.enqueued:
            self.enqueued = [tuple(p) for p in config.get("enqueued", ())]

    def _check_point(self, point):
        """Returns the actions of a point."""
        values = point
        if not isinstance(point, dict):
            values = self.space.to_values(point)
        actions = self.space.to_actions(values)
        if not self._within_limits(actions):
            raise ValueError(
                "`enqueue` must hold points within the limits "
                f"{self.limits.describe()}. Received: {values}"
            )
        return actions

    def _choose(self, number):
        if number < len(self.enqueued):
            actions = self.enqueued[number]
            notes = self.algorithm.notes_of(actions)
            return actions, {"enqueued": True, **notes}
        known, examined = None, 0
        candidates = self.algorithm.candidates(number)
        for actions, notes in itertools.islice(candidates, CANDIDATES):
            examined += 1
            new = self.algorithm.repeats or actions not in self._known
            if (new or known is None) and self._within_limits(actions):
                if new:
                    return actions, notes
                known = actions, notes
        return known or self._random_point(number, CANDIDATES - examined)

    def _within_limits(self, actions):
        if self.limits is None:
            return True
        values = self.space.to_values(actions)
        genotype = self.space.to_genotype(values)
        return self.limits(genotype, **self.space.to_settings(values))

    def _random_point(self, number, attempts):
        """A random point within the limits."""
        for attempt in range(attempts):
            # Not [seed, number, attempt]: with 0 at its end, that is the stream
            # [seed, number] of the algorithms.
            stream = np.random.SeedSequence(
                self.seed, spawn_key=(STREAM, number, attempt)
            )
            actions = self.space.sample(np.random.default_rng(stream))
            if self._within_limits(actions):
                return actions, self.algorithm.notes_of(actions)
        raise ValueError(
            "`limits` must let architectures through: none of "
            f"{CANDIDATES:,} is within the limits ({self.limits}). Raise "
            "them, or make the networks smaller."
        )


def digest_of_cells(space: SearchSpace) -> str | None:
    """Returns a digest of the cells of some points; `None` without cells.

    Spaces with the same decisions may still build different cells.
    """
    points = [space.sample(np.random.default_rng(seed)) for seed in range(8)]
    try:
        cells = [space.to_genotype(point).to_dict() for point in points]
    except NotImplementedError:
        return None
    text = json.dumps(cells, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
