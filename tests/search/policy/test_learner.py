"""The learner: how rewards become batches and train the controller."""

import dataclasses

import numpy as np
import pytest

from nasnet_keras.search.policy.learner import Learner
from nasnet_keras.search.policy.settings import SETTINGS
from nasnet_keras.search.policy.snapshot import Snapshot

SIZES = (2, 3)
QUICK = dataclasses.replace(
    SETTINGS["small"], batch_size=2, epochs=1, learning_rate=0.02
)


def learner(rewards=()):
    result = Learner(SIZES, QUICK, units=4)
    for number, reward in enumerate(rewards):
        result.add((number % 2, number % 3), reward, -1.0)
    return result


def test_a_batch_is_learned_when_it_is_full():
    one = learner([0.5])
    assert not one.learn() and one.updates == 0
    one.add((1, 2), 0.7)
    before = one.controller.get_weights()
    assert one.learn() and not one.learn()
    assert one.updates == 1
    assert any(
        np.any(a != b) for a, b in zip(before, one.controller.get_weights())
    )
    decay = QUICK.baseline_decay
    expected = decay * 0.5 + (1 - decay) * 0.7
    assert one.baseline == pytest.approx(expected)


def test_a_failure_counts_as_the_lowest_reward():
    failed = learner([None, 0.5, 0.2, None])
    assert failed.worst == 0.2
    worst = learner([0.5, 0.2, 0.2])
    for one in (failed, worst):
        assert one.learn() and not one.learn()
    assert failed.baseline == worst.baseline


def test_a_snapshot_spares_learning():
    rewards = [0.1, 0.4, 0.3, 0.2, 0.6, 0.5]
    first = learner(rewards[:4])
    while first.learn():
        pass
    snapshot = first.snapshot()
    assert snapshot.updates == 2
    second = learner(rewards)
    second.restore(snapshot)
    assert second.learn() and not second.learn()
    for example in ((0, 1, 0.6), (1, 2, 0.5)):
        first.add(example[:2], example[2], -1.0)
    assert first.learn()
    assert (second.updates, second.baseline) == (first.updates, first.baseline)
    for a, b in zip(first.snapshot().weights, second.snapshot().weights):
        np.testing.assert_array_equal(a, b)


def test_a_snapshot_of_other_trials_is_ignored():
    first = learner([0.1, 0.4, 0.3, 0.2])
    while first.learn():
        pass
    second = learner([0.1, 0.4])
    second.restore(first.snapshot())
    assert second.learn() and second.updates == 1


def damaged(weights, kind):
    first, *rest = weights
    return {
        "fewer": rest,
        "shape": [first[:1], *rest],
        "type": [first.astype("float64"), *rest],
        "text": [first.astype(str), *rest],
        "nan": [first * np.nan, *rest],
    }.get(kind, weights)


def test_a_snapshot_that_does_not_fit_is_learned_anew(capsys):
    one = learner([0.1, 0.4, 0.3, 0.2])
    weights = one.controller.get_weights()
    updates = {"later": 3, "negative": -1}
    for kind in ("fewer", "shape", "type", "text", "nan", *updates):
        number = updates.get(kind, 2)
        one.restore(Snapshot(number, damaged(weights, kind)))
        one._use_snapshot()
        assert one.updates == 0
        assert "learned anew" in capsys.readouterr().err
    while one.learn():
        pass
    assert one.updates == 2
