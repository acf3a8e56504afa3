"""The LSTM policy: its form, its samples, and that it learns."""

import dataclasses

import numpy as np
import pytest

from nasnet_keras.search import Controller, NASNetSpace
from nasnet_keras.search.policy.losses import advantages
from nasnet_keras.search.policy.settings import SETTINGS

SIZES = (2, 5, 3)
SMALL = SETTINGS["small"]


@pytest.fixture(scope="module")
def controller():
    return Controller(SIZES, SMALL, seed=1)


def noise(rows, sizes=SIZES, seed=0):
    return np.random.default_rng(seed).random((rows, len(sizes)))


def test_it_is_the_papers_lstm():
    controller = Controller(SIZES, SMALL)
    assert controller.lstm.units == 100
    for weight in controller.model.weights:
        values = np.asarray(weight)
        assert np.abs(values).max() <= 0.1
        assert np.abs(values).max() > 0.05
        assert abs(values.mean()) < 0.05


def test_log_probabilities_are_those_of_the_actions_taken(controller):
    actions, log_p = controller.sample(noise(20))
    log_probs = controller.log_probs(actions)
    taken = np.take_along_axis(log_probs, actions[..., None], axis=2)
    np.testing.assert_allclose(taken.sum((1, 2)), log_p, atol=1e-5)
    np.testing.assert_allclose(np.exp(log_probs).sum(-1), 1, rtol=1e-5)


def test_options_that_do_not_exist_are_never_taken(controller):
    actions, _ = controller.sample(noise(500))
    assert (actions < SIZES).all()
    assert (actions.max(axis=0) == np.array(SIZES) - 1).all()
    absent = np.exp(controller.log_probs(actions[:5]))[:, 0, 2:]
    np.testing.assert_array_equal(absent, 0)


def test_an_untrained_policy_is_nearly_uniform(controller):
    actions, _ = controller.sample(noise(2000))
    for decision, size in enumerate(SIZES):
        share = np.bincount(actions[:, decision], minlength=size) / 2000
        np.testing.assert_allclose(share, 1 / size, atol=0.06)


def test_later_predictions_depend_on_earlier_ones(controller):
    first = controller.log_probs(np.array([[0, 0, 0]]))[0, 2, :3]
    second = controller.log_probs(np.array([[1, 0, 0]]))[0, 2, :3]
    assert np.abs(first - second).max() > 1e-6


def test_the_same_noise_gives_the_same_architectures(controller):
    first, again = (controller.sample(noise(8))[0] for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_weights_carry_over_with_the_optimizer():
    one, other = (Controller(SIZES, SMALL, seed=s) for s in (1, 2))
    actions, log_p = one.sample(noise(20))
    reward = advantages(actions[:, 0], None, True)
    one.learn(actions, log_p, reward)
    other.set_weights(one.get_weights())
    for controller in (one, other):
        controller.learn(actions, log_p, reward)
    for a, b in zip(one.get_weights(), other.get_weights()):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("loss", ["ppo", "reinforce"])
def test_it_learns_what_is_rewarded(loss):
    settings = dataclasses.replace(SMALL, learning_rate=0.005)
    controller = Controller(SIZES, settings, loss=loss)
    for step in range(15):
        actions, log_p = controller.sample(noise(20, seed=step))
        reward = (actions == [1, 3, 2]).mean(axis=1)
        controller.learn(actions, log_p, advantages(reward, None, True))
    actions, _ = controller.sample(noise(100, seed=99))
    assert (actions == [1, 3, 2]).mean() > 0.9


def test_an_unknown_loss_is_named():
    with pytest.raises(ValueError, match="loss='a2c'"):
        Controller(SIZES, SMALL, loss="a2c")


def share_of_one_operation(space, actions):
    operations = ["operation" in d.name for d in space.decisions]
    return (actions[:, operations] == 10).mean(axis=1)


def made_up_reward(seed, samples=1000):
    """Shares of one operation in the paper's space, batch by batch."""
    space = NASNetSpace()
    controller = Controller(space.sizes, SMALL, seed=seed)
    shares = []
    for batch in range(samples // SMALL.batch_size):
        rng = np.random.default_rng([seed, batch])
        rows = rng.random((SMALL.batch_size, 50))
        actions, log_p = controller.sample(rows)
        reward = share_of_one_operation(space, actions)
        shares.append(reward.mean())
        controller.learn(actions, log_p, advantages(reward, None, True))
    return shares


@pytest.mark.long
@pytest.mark.parametrize("seed", range(5))
def test_the_papers_space_is_learnt_within_a_thousand_samples(seed):
    assert made_up_reward(seed)[-1] >= 0.9


def test_an_untrained_policy_is_at_chance():
    space = NASNetSpace()
    actions, _ = Controller(space.sizes, SMALL).sample(noise(200, space.sizes))
    shares = share_of_one_operation(space, actions)
    assert shares.mean() == pytest.approx(1 / 13, abs=0.03)


@pytest.mark.parametrize("loss", ["ppo", "reinforce"])
def test_gradients_are_those_of_finite_differences(loss):
    """The gradient of the loss, taken from one step of SGD."""
    import keras

    settings = dataclasses.replace(SMALL, entropy_weight=0.1)
    controller = Controller(SIZES, settings, units=6, seed=2, loss=loss)
    actions, log_p = controller.sample(noise(8, seed=3))
    # Change the policy after sampling, so that some ratios are clipped.
    rng = np.random.default_rng(0)
    weights = controller.model.trainable_weights
    for weight in weights:
        value = keras.ops.convert_to_numpy(weight)
        weight.assign(value + rng.normal(scale=0.3, size=value.shape))
    moved = controller.log_probability(actions) - log_p
    assert np.abs(np.expm1(moved)).max() > SMALL.clip
    advantage = rng.normal(size=8)
    targets = {
        "actions": actions.astype("int32"),
        "old_log_probability": log_p.astype("float32"),
        "advantages": advantage.astype("float32"),
    }
    model, tokens = controller.model, controller.tokens(actions)
    model.compile(keras.optimizers.SGD(1.0))

    def value():
        return float(model.test_on_batch(tokens, targets))

    before = [keras.ops.convert_to_numpy(w).copy() for w in weights]
    model.train_on_batch(tokens, targets)
    after = [keras.ops.convert_to_numpy(w) for w in weights]
    gradients = [b - a for b, a in zip(before, after)]
    scale = float(max(np.abs(gradient).max() for gradient in gradients))
    for place, weight in enumerate(weights):
        index = np.unravel_index(
            np.abs(gradients[place]).argmax(), weight.shape
        )
        sides = []
        for step in (1e-2, -1e-2):
            for other, kept in zip(weights, before):
                other.assign(kept)
            shifted = before[place].copy()
            shifted[index] += step
            weight.assign(shifted)
            sides.append(value())
        found = (sides[0] - sides[1]) / 2e-2
        expected = float(gradients[place][index])
        assert found == pytest.approx(expected, abs=1e-2 * scale)
