"""Losses, entropy, baseline and advantages, against numbers worked by hand."""

import keras
import numpy as np
import pytest

from nasnet_keras.search.policy import losses
from nasnet_keras.search.policy.settings import SETTINGS


def test_log_probability_is_that_of_the_decisions_taken():
    log_probs = np.log([[[0.5, 0.25, 0.25], [0.1, 0.9, 1e-30]]]).astype("f4")
    log_probs = keras.ops.convert_to_tensor(log_probs)
    taken = losses.log_probability(log_probs, np.array([[1, 0]]))
    np.testing.assert_allclose(taken, [np.log(0.25 * 0.1)], rtol=1e-6)


def test_entropy_sums_over_decisions_and_leaves_absent_options_out():
    log_probs = np.array([[[np.log(0.5), np.log(0.5), -1e9]] * 3], "float32")
    np.testing.assert_allclose(
        losses.entropy(log_probs), [3 * np.log(2)], rtol=1e-6
    )


def test_reinforce_loss():
    loss = losses.reinforce_loss(
        np.array([-1.0, -2.0], "float32"), np.array([3.0, -0.5], "float32")
    )
    # -(-1 * 3 + -2 * -0.5) / 2
    assert float(loss) == pytest.approx(1.0)


@pytest.mark.parametrize(
    "ratio, advantage, expected",
    [
        (1.0, 2.0, -2.0),
        (1.1, 2.0, -2.2),
        (1.5, 2.0, -2.4),  # clipped at 1.2
        (0.5, 2.0, -1.0),  # a worse policy is never clipped to a better one
        (0.9, -2.0, 1.8),
        (0.5, -2.0, 1.6),  # clipped at 0.8
        (1.5, -2.0, 3.0),
    ],
)
def test_ppo_loss(ratio, advantage, expected):
    loss = losses.ppo_loss(
        np.log([ratio]).astype("float32"),
        np.zeros(1, "float32"),
        np.array([advantage], "float32"),
        clip=0.2,
    )
    assert float(loss) == pytest.approx(expected, rel=1e-6)


def test_the_gradient_is_that_of_log_p_times_reward():
    """Finite differences of the loss against d log p(A) R / d logits."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(4, 3, 5))
    actions = rng.integers(5, size=(4, 3))
    rewards = rng.normal(size=4)

    def loss(kind, z):
        log_probs = z - np.log(np.exp(z).sum(-1, keepdims=True))
        log_p = np.take_along_axis(log_probs, actions[..., None], 2).sum((1, 2))
        if kind == "reinforce":
            return float(losses.reinforce_loss(log_p, rewards))
        return float(losses.ppo_loss(log_p, log_p0, rewards, 0.2))

    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    log_p0 = np.log(np.take_along_axis(p, actions[..., None], 2)).sum((1, 2))
    expected = -(np.eye(5)[actions] - p) * rewards[:, None, None] / 4
    for kind in ("reinforce", "ppo"):  # At ratio 1 the two are the same.
        found = np.zeros_like(logits)
        for index in np.ndindex(*logits.shape):
            step = np.zeros_like(logits)
            step[index] = 1e-3
            found[index] = (
                loss(kind, logits + step) - loss(kind, logits - step)
            ) / 2e-3
        np.testing.assert_allclose(found, expected, atol=2e-4)


def test_moving_average():
    assert losses.moving_average(None, [0.4], 0.95) == pytest.approx(0.4)
    assert losses.moving_average(0.5, [1.0, 0.0], 0.9) == pytest.approx(0.495)


def test_advantages():
    plain = losses.advantages([1.0, 2.0], baseline=0.5, normalize=False)
    np.testing.assert_allclose(plain, [0.5, 1.5])
    first = losses.advantages([1.0, 2.0], baseline=None, normalize=False)
    np.testing.assert_allclose(first, [-0.5, 0.5])
    scaled = losses.advantages([1.0, 2.0, 3.0], baseline=9.0, normalize=True)
    np.testing.assert_allclose(scaled, [-(1.5**0.5), 0, 1.5**0.5], rtol=1e-6)
    equal = losses.advantages([2.0, 2.0], baseline=None, normalize=True)
    np.testing.assert_array_equal(equal, [0, 0])


def test_the_settings_of_the_paper():
    paper = SETTINGS["paper"]
    assert paper.learning_rate == 0.00035
    assert paper.entropy_weight == 0.00001
    assert paper.baseline_decay == 0.95
    assert paper.batch_size == 20
