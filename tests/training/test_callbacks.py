"""Callbacks in small, real trainings."""

import keras
import numpy as np
import pytest

from nasnet_keras.layers.drop_path import DropPath
from nasnet_keras.training.callbacks import (
    Checkpoints,
    Reseed,
    StopOnNaN,
    TrainingError,
)
from nasnet_keras.training.drop_path import AdaptiveDropPath

X = np.random.default_rng(0).normal(size=(32, 8)).astype("float32")
Y = np.eye(2, dtype="float32")[(X[:, 0] > 0).astype(int)]


def dropping_model(rate=0.5, learning_rate=0.0):
    inputs = keras.Input((8,))
    x = DropPath(rate, seed=1, name="drop")(inputs)
    x = keras.layers.Dropout(rate, seed=1)(x)
    normal = keras.initializers.RandomNormal(stddev=1.0, seed=1)
    outputs = keras.layers.Dense(
        2, activation="softmax", kernel_initializer=normal
    )(x)
    model = keras.Model(inputs, outputs)
    model.compile(
        keras.optimizers.SGD(learning_rate), "categorical_crossentropy"
    )
    return model


def losses(callbacks, epochs=3, first=0):
    model = dropping_model()
    history = model.fit(
        X,
        Y,
        batch_size=8,
        epochs=epochs,
        initial_epoch=first,
        shuffle=False,
        verbose=0,
        callbacks=callbacks,
    )
    return history.history["loss"]


def test_each_epoch_draws_anew_and_follows_from_its_number():
    whole = losses([Reseed(7)])
    assert len(set(whole)) == 3
    assert losses([Reseed(7)], first=1) == pytest.approx(whole[1:], rel=1e-6)
    assert losses([Reseed(8)]) != pytest.approx(whole, rel=1e-3)
    # Without it a resumed training repeats the draws of the first epoch.
    assert losses([], first=1) != pytest.approx(losses([])[1:], rel=1e-3)


def test_nan_names_step_and_last_checkpoint(tmp_path):
    model = dropping_model(rate=0.0, learning_rate=0.1)
    checkpoints = Checkpoints(model, tmp_path)
    poisoned = np.concatenate([X] * 2)
    poisoned[50] = np.nan  # In the fourth batch of 16.
    stop = StopOnNaN(checkpoints)
    model.fit(X, Y, batch_size=16, verbose=0, callbacks=[stop, checkpoints])
    with pytest.raises(TrainingError) as error:
        model.fit(
            poisoned,
            np.concatenate([Y] * 2),
            batch_size=16,
            initial_epoch=1,
            epochs=2,
            shuffle=False,
            verbose=0,
            callbacks=[stop, checkpoints],
        )
    assert "nan at step 4 of epoch 2" in str(error.value)
    assert str(tmp_path / "epoch_0001.keras") in str(error.value)
    assert [p.name for p in tmp_path.iterdir()] == ["epoch_0001.keras"]


def test_nan_before_any_checkpoint(tmp_path):
    model = dropping_model()
    stop = StopOnNaN(Checkpoints(model, tmp_path))
    with pytest.raises(TrainingError, match="no checkpoint yet"):
        model.fit(X * np.nan, Y, verbose=0, callbacks=[stop])


def test_checkpoints_keep_the_newest_two(tmp_path):
    model = dropping_model()
    checkpoints = Checkpoints(model, tmp_path / "new")
    assert checkpoints.last() is None
    model.fit(X, Y, epochs=3, verbose=0, callbacks=[checkpoints])
    names = sorted(path.name for path in (tmp_path / "new").iterdir())
    assert names == ["epoch_0002.keras", "epoch_0003.keras"]
    assert checkpoints.last().name == "epoch_0003.keras"


def test_adaptive_drop_path_follows_the_gap():
    callback = AdaptiveDropPath(gap=0.1, step=0.4)
    shares = []
    for gap in (0.2, 0.3, 0.3, 0.05, 0.05, 0.05, 0.05):
        callback.on_epoch_end(0, {"loss": 1.0, "val_loss": 1.0 + gap})
        shares.append(callback.share)
    assert shares == pytest.approx([0.4, 0.8, 1.0, 0.6, 0.2, 0, 0], abs=1e-9)
    history = [{"loss": 1.0, "val_loss": 1.5}] * 2
    assert AdaptiveDropPath(step=0.4, history=history).share == 0.8


def test_adaptive_drop_path_sets_the_layers():
    model = dropping_model(rate=0.5)
    callback = AdaptiveDropPath(gap=-9.0, step=0.25)
    model.fit(
        *(X, Y),
        epochs=3,
        verbose=0,
        validation_data=(X, Y),
        callbacks=[callback],
    )
    layer = model.get_layer("drop")
    assert float(layer.current_rate.state) == pytest.approx(0.5 * 0.5)
    assert callback.share == 0.75


def test_adaptive_drop_path_errors():
    with pytest.raises(ValueError, match=r"`step` must be .*step=0"):
        AdaptiveDropPath(step=0)
    with pytest.raises(ValueError, match="validation data"):
        dropping_model().fit(X, Y, verbose=0, callbacks=[AdaptiveDropPath()])
