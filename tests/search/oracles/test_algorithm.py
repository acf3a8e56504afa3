"""Rewards of shared weights: which of them compare."""

import numpy as np
import pytest

from nasnet_keras.search.oracles.algorithm import of_one_age, ranks_by_age


def record(score, age=None):
    metrics = {} if age is None else {"weights_steps": age}
    return {"score": score, "metrics": metrics}


def test_ranks_are_those_within_an_age():
    found = ranks_by_age([0.1, 0.3, 0.2, 0.9, 0.7], [1, 1, 1, 2, 2])
    np.testing.assert_allclose(found, [1 / 6, 5 / 6, 1 / 2, 3 / 4, 1 / 4])


def test_a_reward_alone_is_neither_good_nor_bad():
    """The first trial of a round is not taken for a failure."""
    found = ranks_by_age([0.1, 0.2, 0.9, -np.inf], [1, 1, 2, None])
    np.testing.assert_allclose(found, [1 / 4, 3 / 4, 1 / 2, 0])


def test_failures_are_last_among_children_from_scratch():
    found = ranks_by_age([0.3, -np.inf, 0.1], [None] * 3)
    assert list(np.argsort(found)) == [1, 2, 0] and found[1] == 0


@pytest.mark.parametrize(
    "records, used",
    [
        ([record(0.1), record(None), record(0.3)], [0, 1, 2]),
        ([record(0.1, 1), record(0.2, 1), record(0.9, 2)], [0, 1]),
        ([record(0.1, 1), record(0.9, 2)], [1]),
        # A failure has no age.
        ([record(0.1, 1), record(0.2, 1), record(None)], [0, 1]),
        ([record(None), record(None)], [0, 1]),
        ([], []),
    ],
)
def test_a_warm_start_takes_the_largest_age(records, used):
    """Of equals the last: not one trial of a round that had just begun."""
    assert of_one_age(records) == [records[i] for i in used]
