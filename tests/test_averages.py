"""Moving averages of the weights, against a computation by plain loops."""

import keras
import numpy as np
import pytest

from nasnet_keras.averages import (
    AveragingRMSprop,
    AveragingSGD,
    average_momentum,
)

X = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")
Y = np.random.default_rng(1).normal(size=(8, 2)).astype("float32")
UPDATES = 12


def momentum_by_hand(decay, update):
    return min(decay, (1 + update) / (10 + update))


def test_the_momentum_of_the_first_updates():
    """Of TF-slim's rule: 2/11, 3/12, 4/13, ... up to the decay."""
    found = [float(average_momentum(0.5, n)) for n in (1, 2, 3, 7, 8, 900)]
    assert found == pytest.approx([2 / 11, 3 / 12, 4 / 13, 8 / 17, 0.5, 0.5])
    assert float(average_momentum(0.9999, 890)) == pytest.approx(891 / 900)


def train(optimizer, updates, accumulation=1, model=None):
    """Trains by single steps; returns the model and its weights by update.

    The first are the initial ones, before any update.
    """
    if model is None:
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile(optimizer, "mse")
    rng = np.random.default_rng(2)
    path = [[np.array(w, "float64") for w in model.get_weights()]]
    for step in range(updates * accumulation):
        rows = rng.integers(0, 8, 4)
        model.train_on_batch(X[rows], Y[rows])
        if (step + 1) % accumulation == 0:
            path.append([np.array(w, "float64") for w in model.get_weights()])
    return model, path


def averages_by_hand(path, decay):
    averages = path[0]
    for update, weights in enumerate(path[1:], 1):
        kept = momentum_by_hand(decay, update)
        averages = [
            kept * old + (1 - kept) * new for old, new in zip(averages, weights)
        ]
    return averages


@pytest.mark.parametrize(
    "kind, accumulation, decay",
    [(AveragingSGD, 3, 0.45), (AveragingRMSprop, 1, 0.9999)],
)
def test_averages_by_hand(kind, accumulation, decay):
    """After each of twelve updates, within compiled steps."""
    settings = {"use_ema": True, "ema_momentum": decay}
    if accumulation > 1:
        settings["gradient_accumulation_steps"] = accumulation
    model, path = train(kind(0.1, **settings), UPDATES, accumulation)
    # A step that makes no update does not move the average.
    if accumulation > 1:
        model.train_on_batch(X, Y)
    model.optimizer.finalize_variable_values(model.trainable_variables)
    expected = averages_by_hand(path, decay)
    for one, other in zip(expected, model.get_weights()):
        np.testing.assert_allclose(other, one, rtol=2e-6, atol=1e-6)
    moved = [abs(new - old).max() for new, old in zip(path[-1], path[0])]
    assert min(moved) > 0.01  # Else any average would do.


def test_averages_are_those_of_tensorflow():
    """Of `tf.train.ExponentialMovingAverage`, which TF-slim uses."""
    tf = pytest.importorskip("tensorflow")
    optimizer = AveragingSGD(0.1, use_ema=True, ema_momentum=0.45)
    model, path = train(optimizer, UPDATES)
    updates, kernel = tf.Variable(0), tf.Variable(tf.zeros((3, 2)))
    theirs = tf.train.ExponentialMovingAverage(0.45, num_updates=updates)
    for number, (weights, _) in enumerate(path):
        updates.assign(number)
        kernel.assign(weights.astype("float32"))
        theirs.apply([kernel])
    model.optimizer.finalize_variable_values(model.trainable_variables)
    expected = theirs.average(kernel).numpy()
    np.testing.assert_allclose(model.get_weights()[0], expected, rtol=1e-5)


def test_a_saved_average_goes_on(tmp_path):
    """Loaded in the middle, it ends as without a stop."""
    from nasnet_keras.model_files import load_model

    def optimizer():
        return AveragingSGD(0.1, use_ema=True, ema_momentum=0.9)

    model, _ = train(optimizer(), 5)
    model.save(tmp_path / "model.keras")
    loaded = load_model(tmp_path / "model.keras", compile=True)
    assert isinstance(loaded.optimizer, AveragingSGD)
    for each in (model, loaded):
        for _ in range(3):
            each.train_on_batch(X, Y)
        each.optimizer.finalize_variable_values(each.trainable_variables)
    for one, other in zip(model.get_weights(), loaded.get_weights()):
        np.testing.assert_allclose(other, one, rtol=1e-6)
