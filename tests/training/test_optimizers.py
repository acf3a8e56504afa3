"""A training step computed by hand; learning rates by formulas."""

import dataclasses
import math

import keras
import numpy as np
import pytest

from nasnet_keras.training.optimizers import (
    compile_model,
    decay_weights,
    learning_rate,
    make_optimizer,
)
from nasnet_keras.training.recipes import Recipe

CLASSES = 3
RECIPE = Recipe(
    epochs=2,
    batch_size=4,
    learning_rate=0.5,
    momentum=0.9,
    nesterov=False,
    clip_norm=0.25,
    weight_decay=0.1,
    label_smoothing=0.1,
    auxiliary_weight=0.4,
    ema=0.8,
)
STEPS = 3


def two_headed():
    """A 1x1 convolution, its mean, and two classifiers on it."""
    inputs = keras.Input((2, 2, 2))
    x = keras.layers.Conv2D(4, 1, use_bias=False, name="convolution")(inputs)
    x = keras.layers.GlobalAveragePooling2D(data_format="channels_last")(x)
    heads = [
        keras.layers.Dense(CLASSES, activation="softmax", name=name)(x)
        for name in ("predictions", "auxiliary_predictions")
    ]
    return keras.Model(inputs, heads)


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def loss_and_gradients(weights, x, y):
    """Of `two_headed` under `RECIPE`, by hand."""
    kernel, w, b, v, c = weights
    mean = x.mean(axis=(1, 2))
    h = mean @ kernel[0, 0]
    p, a = softmax(h @ w + b), softmax(h @ v + c)
    target = y * 0.9 + 0.1 / CLASSES
    cross = -(target * np.log(p)).sum(axis=1).mean()
    auxiliary = -(target * np.log(a)).sum(axis=1).mean()
    decay = 0.05 * sum((k**2).sum() for k in (kernel, w, v))
    dp, da = (p - target) / len(x), 0.4 * (a - target) / len(x)
    dh = dp @ w.T + da @ v.T
    gradients = [
        (mean.T @ dh)[None, None] + 0.1 * kernel,
        h.T @ dp + 0.1 * w,
        dp.sum(axis=0),
        h.T @ da + 0.1 * v,
        da.sum(axis=0),
    ]
    return cross + 0.4 * auxiliary + decay, gradients


def test_steps_by_hand():
    """Loss, clipping, momentum, cosine, and the averages after three steps."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4, 2, 2, 2)).astype("float32")
    y = np.eye(CLASSES, dtype="float32")[[0, 1, 2, 1]]
    keras.utils.set_random_seed(0)
    model = two_headed()
    compile_model(model, RECIPE, steps_per_epoch=STEPS)
    weights = [np.array(w, "float64") for w in model.get_weights()]
    velocities = [np.zeros_like(w) for w in weights]
    averages = list(weights)
    for step in range(STEPS):
        logs = model.train_on_batch(x, [y, y], return_dict=True)
        loss, gradients = loss_and_gradients(weights, x, y)
        assert float(logs["loss"]) == pytest.approx(loss, rel=1e-5)
        norm = math.sqrt(sum((g**2).sum() for g in gradients))
        assert norm > RECIPE.clip_norm  # Else clipping would show nothing.
        rate = 0.25 * (1 + math.cos(math.pi * step / (2 * STEPS)))
        for i, gradient in enumerate(gradients):
            velocities[i] *= 0.9
            velocities[i] -= rate * gradient * RECIPE.clip_norm / norm
            weights[i] = weights[i] + velocities[i]
        # As in TF-slim, (1 + n) / (10 + n) after n updates.
        kept = [2 / 11, 3 / 12, 4 / 13][step]
        averages = [
            kept * a + (1 - kept) * w for a, w in zip(averages, weights)
        ]
        model.reset_metrics()
    for expected, actual in zip(weights, model.get_weights()):
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-6)
    model.optimizer.finalize_variable_values(model.trainable_variables)
    for expected, actual in zip(averages, model.get_weights()):
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-6)


def test_loss_of_a_network():
    """Of every kernel, and of nothing else, half the square decays."""
    from nasnet_keras import NASNet
    from tests.support.genotypes import one_block_genotype

    model = NASNet(
        one_block_genotype("sep_conv_3x3"),
        cells_per_stack=1,
        filters=4,
        stem="cifar",
        classes=CLASSES,
        input_shape=(32, 32, 3),
        auxiliary_head=True,
    )
    count = decay_weights(model, 0.01)
    kernels = [w for w in model.trainable_weights if len(w.shape) > 1]
    assert count == len(kernels) > 20
    expected = sum(0.005 * (np.asarray(k) ** 2).sum() for k in kernels)
    losses = map(keras.ops.convert_to_numpy, model.losses)
    actual = sum(float(loss) for loss in losses)
    assert actual == pytest.approx(expected, rel=1e-5)
    decay_weights(model, 0)
    assert not model.losses


def rates(recipe, steps_per_epoch, steps):
    schedule = learning_rate(recipe, steps_per_epoch)
    return [float(schedule(step)) for step in steps]


def test_cosine():
    recipe = Recipe(epochs=4, batch_size=1, learning_rate=0.2)
    assert rates(recipe, 5, [0, 10, 20, 99]) == pytest.approx(
        [0.2, 0.1, 0, 0], abs=1e-7
    )


def test_exponential_falls_every_2_4_epochs():
    recipe = Recipe(
        epochs=9, batch_size=1, learning_rate=0.1, schedule="exponential"
    )
    assert rates(recipe, 10, [0, 23, 24, 47, 48]) == pytest.approx(
        [0.1, 0.1, 0.097, 0.097, 0.09409], rel=1e-6
    )


def test_constant():
    recipe = Recipe(
        epochs=9, batch_size=1, learning_rate=0.1, schedule="constant"
    )
    assert rates(recipe, 10, [0, 1, 80]) == pytest.approx([0.1] * 3)


def test_warm_up_precedes_the_cosine():
    recipe = Recipe(epochs=3, batch_size=1, learning_rate=0.2, warmup_epochs=1)
    assert rates(recipe, 10, [0, 5, 10, 20, 30]) == pytest.approx(
        [0, 0.1, 0.2, 0.1, 0], abs=1e-7
    )


def moves(recipe, steps_per_epoch):
    """How far each update moves a weight whose gradient is always 1."""
    optimizer = make_optimizer(recipe, steps_per_epoch)
    weight = keras.Variable(0.0)
    optimizer.build([weight])
    values = [0.0]
    for _ in range(recipe.epochs * steps_per_epoch):
        optimizer.apply([keras.ops.ones(())], [weight])
        values.append(float(keras.ops.convert_to_numpy(weight)))
    changes = -np.diff(values)
    return changes[recipe.accumulation_steps - 1 :: recipe.accumulation_steps]


@pytest.mark.parametrize("schedule", ["cosine", "exponential"])
def test_accumulating_the_rate_changes_from_update_to_update(schedule):
    """As in a training with as many steps that are all updates."""
    whole = Recipe(
        epochs=4,
        batch_size=1,
        learning_rate=0.2,
        momentum=0.0,
        warmup_epochs=0.5,
        schedule=schedule,
        decay_epochs=1,
        decay_rate=0.5,
    )
    accumulated = dataclasses.replace(whole, accumulation_steps=4)
    expected, actual = moves(whole, 6), moves(accumulated, 24)
    assert len(actual) == len(expected) == 24
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-7)
    by_hand = {
        "cosine": 0.1 * (1 + math.cos(math.pi * 20 / 21)),
        "exponential": 0.2 * 0.5**3,
    }
    assert actual[-1] == pytest.approx(by_hand[schedule], rel=1e-4)
    assert actual[1] == pytest.approx(0.2 / 3, rel=1e-5)  # Warming up.


def test_accumulated_gradients_are_those_of_one_batch():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(8, 2, 2, 2)).astype("float32")
    y = np.eye(CLASSES, dtype="float32")[rng.integers(0, CLASSES, 8)]
    results = []
    for batch, accumulation in ((8, 1), (4, 2)):
        recipe = Recipe(
            epochs=1,
            batch_size=batch,
            learning_rate=0.1,
            schedule="constant",
            auxiliary_weight=0.4,
            accumulation_steps=accumulation,
        )
        keras.utils.set_random_seed(0)
        model = two_headed()
        compile_model(model, recipe, steps_per_epoch=4)
        for first in range(0, 8, batch):
            part = slice(first, first + batch)
            model.train_on_batch(x[part], [y[part], y[part]])
        results.append([np.array(w) for w in model.get_weights()])
    for whole, accumulated in zip(*results):
        np.testing.assert_allclose(accumulated, whole, rtol=1e-5, atol=1e-6)


def test_rmsprop_is_the_authors():
    recipe = Recipe(
        epochs=1, batch_size=1, learning_rate=0.04, optimizer="rmsprop"
    )
    optimizer = make_optimizer(recipe, 10)
    assert isinstance(optimizer, keras.optimizers.RMSprop)
    assert (optimizer.rho, optimizer.epsilon, optimizer.momentum) == (
        0.9,
        1.0,
        0.9,
    )
