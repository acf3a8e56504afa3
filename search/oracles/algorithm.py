"""The interface of search algorithms: records in, proposals out.

No files and no KerasTuner: a proposal follows from the seed, the number of
the trial and the records observed before it.
"""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from nasnet_keras.search.names import WEIGHTS_STEPS
from nasnet_keras.search.policy.snapshot import Snapshot
from nasnet_keras.search.spaces.space import Actions, SearchSpace

Notes = dict[str, Any]
Record = dict[str, Any]


def score_of(record: Record) -> float | None:
    """The reward of a record whose score is to be maximized."""
    return record["score"]


def age_of(record: Record) -> float | None:
    """The training steps of the shared weights that a reward is of.

    Rewards of different ages do not compare. `None` for children that were
    trained from scratch, and in journals of earlier versions.
    """
    return record.get("metrics", {}).get(WEIGHTS_STEPS)


def of_one_age(records: Sequence[Record]) -> list[Record]:
    """Returns the records whose rewards compare with most others, in order.

    All of them, if the children were trained from scratch. Else those of the
    age that most rewards have, of equals the last.
    """
    ages = [age_of(r) for r in records if r["score"] is not None]
    numbers = collections.Counter(reversed(ages))
    if not numbers:
        return list(records)
    ((most, _),) = numbers.most_common(1)
    return [r for r in records if age_of(r) == most]


def ranks_by_age(
    rewards: Sequence[float], ages: Sequence[float | None]
) -> np.ndarray:
    """Returns the rank of each reward among those of its age, 0 to 1.

    A reward that is alone in its age says nothing: it is in the middle.

    Args:
        rewards: Sequence of floats; -inf for a failure, whose rank is 0.
        ages: Sequence, the age of each, see `age_of`.
    """
    values = np.array(rewards)
    ranks = np.zeros(len(values))
    groups = np.array([-1 if age is None else age for age in ages])
    for group in np.unique(groups):
        own = groups == group
        _, order = np.unique(values[own], return_inverse=True)
        ranks[own] = (order + 0.5) / own.sum()
    return np.where(np.isneginf(values), 0, ranks)


class Algorithm:
    """Decides which points of a space are tried next.

    Subclasses implement `candidates(number)` and may implement the rest.

    Args:
        space: `SearchSpace`.
        seed: Integer.
        reward: Function of a record that returns the reward, larger is
            better, or `None` if the trial failed. Defaults to the score.

    Attributes:
        repeats: Whether a point may be proposed again.
    """

    repeats = False

    def __init__(
        self,
        space: SearchSpace,
        seed: int = 0,
        reward: Callable[[Record], float | None] = score_of,
    ):
        self.space = space
        self.seed = seed
        self.reward = reward

    def candidates(self, number: int) -> Iterator[tuple[Actions, Notes]]:
        """Yields proposals for one trial, the best first.

        Args:
            number: Integer from 0, the number of the trial.

        Yields:
            Pairs: tuple of option indices; notes, a JSON dictionary that is
            kept in the record of the trial.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must implement candidates(number)"
        )

    def notes_of(self, actions: Actions) -> Notes:
        """Returns the notes of a point that did not come from `candidates`."""
        return {}

    def observe(self, record: Record) -> None:
        """Takes the record of an ended trial, in the order of the journal.

        Args:
            record: Dictionary: `trial` (number), `status`, `score` (float, or
                `None` if it failed), `values`, and the notes of the proposal.
        """

    def learn(self) -> bool:
        """Takes one learning step. Returns whether there was one to take.

        It is called before each proposal until it returns `False`.
        """
        return False

    def describe(self) -> dict[str, Any]:
        """Returns the arguments that must not change within a search."""
        return {}

    def adopt(self, config: dict[str, Any]) -> None:
        """Takes the arguments that were not given from a `config.json`."""

    def report(self) -> dict[str, float]:
        """Returns what a reader may want to watch: name -> number."""
        return {}

    def snapshot(self) -> Snapshot | None:
        """Returns state that saves time after a restart, if there is any.

        The records alone must give the same proposals.
        """
        return None

    def restore(self, snapshot: Snapshot) -> None:
        """Takes a snapshot; called once, after all records were observed."""
