"""Statistics of batch normalization, estimated before an evaluation."""

import keras
import numpy as np
import pytest

from nasnet_keras.averages import AveragingSGD
from nasnet_keras.layers.batch_norm import BatchNormalization
from nasnet_keras.layers.drop_path import DropPath
from nasnet_keras.training.evaluated_weights import (
    EvaluatedWeights,
    ImageBatches,
    estimate_batch_norm,
    sample,
    use_evaluated_weights,
)

RNG = np.random.default_rng(0)
X = RNG.normal(3.0, 2.0, (24, 4, 4, 2)).astype("float32")
Y = RNG.normal(size=(24, 1)).astype("float32")


def network():
    """Its two batch norms have the momentum of ImageNet's networks."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4, 4, 2))
    x = BatchNormalization(momentum=0.9997, epsilon=1e-3, name="first")(inputs)
    x = DropPath(0.5, seed=0, name="drop")(x)
    x = keras.layers.Conv2D(3, 1, name="conv")(x)
    x = BatchNormalization(momentum=0.9997, epsilon=1e-3, name="second")(x)
    x = keras.layers.GlobalMaxPooling2D()(x)
    model = keras.Model(inputs, keras.layers.Dense(1, name="dense")(x))
    optimizer = AveragingSGD(0.05, use_ema=True, ema_momentum=0.999)
    model.compile(optimizer, "mse")
    return model


def statistics(x):
    """Mean and unbiased variance by channel."""
    rows = x.reshape(-1, x.shape[-1]).astype("float64")
    return rows.mean(axis=0), rows.var(axis=0, ddof=1)


def norms(model):
    layers = map(model.get_layer, ("first", "second"))
    return [
        np.array(value)
        for layer in layers
        for value in (layer.moving_mean, layer.moving_variance)
    ]


def test_statistics_by_hand():
    """Of three batches of unequal size, the last one smaller."""
    model = network()
    parts = [X[:10], X[10:20], X[20:]]
    estimate_batch_norm(model, parts)
    found = norms(model)
    own = [statistics(part) for part in parts]
    sizes = [10, 10, 4]
    expected = [np.average(each, axis=0, weights=sizes) for each in zip(*own)]
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-5)
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-5)
    # The second reads the first's outputs, of which no path is dropped.
    kernel = np.array(model.get_layer("conv").kernel)[0, 0]
    second = []
    for part in parts:
        rows = part.reshape(-1, 2).astype("float64")
        rows = (rows - rows.mean(0)) / np.sqrt(rows.var(0) + 1e-3)
        second.append(statistics(rows @ kernel))
    expected = [
        np.average(each, axis=0, weights=sizes) for each in zip(*second)
    ]
    np.testing.assert_allclose(found[2], expected[0], atol=1e-5)
    np.testing.assert_allclose(found[3], expected[1], rtol=1e-4)


def test_it_leaves_the_rest_as_it_was():
    model = network()
    frozen = model.get_layer("second")
    frozen.trainable = False
    drop = model.get_layer("drop")
    drop.set_progress(0.25)
    before = [np.array(w) for w in model.weights]
    estimate_batch_norm(model, [X])
    changed = [
        w.path
        for w, old in zip(model.weights, before)
        if not np.array_equal(np.array(w), old)
    ]
    assert changed == ["first/moving_mean", "first/moving_variance"]
    assert model.get_layer("first").momentum == frozen.momentum == 0.9997
    assert float(drop.current_rate.state) == 0.125


def test_a_network_without_batch_norm_is_not_run():
    inputs = keras.Input((2,))
    model = keras.Model(inputs, keras.layers.Dense(1)(inputs))
    estimate_batch_norm(model, None)


def test_an_evaluation_and_then_training_goes_on():
    """It measures averages; training does not notice."""
    images = ImageBatches([(X[:12], Y[:12]), (X[12:], Y[12:])])
    model, plain = network(), network()
    fit = {"batch_size": 8, "epochs": 2, "shuffle": False, "verbose": 0}
    callback = EvaluatedWeights(model, images)
    logs = model.fit(
        X, Y, validation_data=(X, Y), callbacks=[callback], **fit
    ).history
    plain.fit(X, Y, **fit)
    for one, other in zip(plain.weights, model.weights):
        np.testing.assert_array_equal(np.array(other), np.array(one))
    # `fit` ends with the averages; the statistics are still missing.
    use_evaluated_weights(model, images)
    loss = model.evaluate(X, Y, verbose=0)
    assert logs["val_loss"][-1] == pytest.approx(loss, rel=1e-5)
    # Inference gives what training gives, by the statistics of the batch.
    model.get_layer("drop").set_progress(0)
    learning = np.array(model(X, training=True))
    inference = np.array(model(X, training=False))
    raw = np.array(plain(X, training=False))
    assert abs(learning - inference).max() < 0.1 * learning.std()
    assert abs(learning - raw).max() > learning.std()


def test_a_sample_is_mixed_and_repeatable():
    part = (np.arange(100), np.repeat([0, 1], 50))
    images, labels = sample(part, 20, seed=3)
    assert len(set(images)) == 20 and set(labels) == {0, 1}
    np.testing.assert_array_equal(labels, images >= 50)
    np.testing.assert_array_equal(sample(part, 20, seed=3)[0], images)
    assert len(sample(part, 500, seed=3)[0]) == 100
