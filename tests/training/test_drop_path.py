"""ScheduledDropPath: the rates that compiled training steps use."""

import json
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest

from nasnet_keras.layers.drop_path import DropPath
from nasnet_keras.training.drop_path import ScheduledDropPath
from tests.support.recorder import assert_rates, observed_model

ROWS = 4096


def fit(model, steps, epochs=1, **schedule):
    x = np.ones((ROWS * steps, 1), "float32")
    model.fit(
        x,
        x,
        batch_size=ROWS,
        epochs=epochs,
        verbose=0,
        callbacks=[ScheduledDropPath(**schedule)],
    )


def test_a_step_sees_the_rate_of_its_own_batch():
    """Within one epoch, of a compiled step: rate * step / total_steps."""
    model, history = observed_model(DropPath(0.6, seed=0), steps=8)
    fit(model, steps=8)
    assert_rates(history.values(), 0.6 * np.arange(8) / 8, ROWS)


def test_the_rate_stays_full_after_total_steps():
    model, history = observed_model(DropPath(0.6, seed=0), steps=6)
    fit(model, steps=6, total_steps=4)
    assert_rates(history.values(), 0.6 * np.array([0, 1, 2, 3, 4, 4]) / 4, ROWS)


def test_a_schedule_of_ones_own():
    model, history = observed_model(DropPath(0.6, seed=0), steps=4)
    fit(model, steps=4, schedule=lambda share: share**2)
    assert_rates(history.values(), 0.6 * (np.arange(4) / 4) ** 2, ROWS)


def test_with_accumulated_gradients_steps_are_counted_not_updates():
    model, history = observed_model(DropPath(0.6, seed=0), steps=8)
    model.compile(
        keras.optimizers.SGD(0.0, gradient_accumulation_steps=3),
        "mse",
        metrics=history.recorders,
    )
    fit(model, steps=4, total_steps=8)
    fit(model, steps=4, total_steps=8)
    assert_rates(history.values(), 0.6 * np.arange(8) / 8, ROWS)


def test_epochs_count():
    model, history = observed_model(DropPath(0.6, seed=0), steps=6)
    fit(model, steps=2, epochs=3)
    assert_rates(history.values(), 0.6 * np.arange(6) / 6, ROWS)


@pytest.mark.skipif(
    keras.backend.backend() == "torch", reason="Keras refuses it on torch"
)
def test_steps_per_execution():
    """Two steps in one execution share the rate of the first."""
    model, history = observed_model(
        DropPath(0.6, seed=0), steps=6, steps_per_execution=2
    )
    fit(model, steps=6)
    assert_rates(history.values(), 0.6 * np.array([0, 0, 2, 2, 4, 4]) / 6, ROWS)


def test_a_second_fit_goes_on_where_the_first_ended():
    model, history = observed_model(DropPath(0.6, seed=0), steps=8)
    fit(model, steps=4, total_steps=8)
    fit(model, steps=4, total_steps=8)
    assert_rates(history.values(), 0.6 * np.arange(8) / 8, ROWS)


def test_resumed_fit_reaches_the_rate_of_an_uninterrupted_one():
    """`initial_epoch`: Keras' way to resume a training."""
    model, history = observed_model(DropPath(0.6, seed=0), steps=6)
    x = np.ones((ROWS * 2, 1), "float32")
    for initial_epoch, epochs in (0, 1), (1, 3):
        model.fit(
            x,
            x,
            batch_size=ROWS,
            initial_epoch=initial_epoch,
            epochs=epochs,
            verbose=0,
            callbacks=[ScheduledDropPath()],
        )
    # The first call is a training of two steps, the second one of six of
    # which two are done.
    assert_rates(history.values(), 0.6 * np.array([0, 3, 2, 3, 4, 5]) / 6, ROWS)


def test_resumed_with_a_new_optimizer():
    """Only weights were saved: `initial_epoch` tells what is done."""
    model, history = observed_model(DropPath(0.6, seed=0), steps=4)
    x = np.ones((ROWS * 2, 1), "float32")
    schedule = ScheduledDropPath()
    settings = {"initial_epoch": 1, "epochs": 3, "callbacks": [schedule]}
    model.fit(x, x, batch_size=ROWS, verbose=0, **settings)
    assert_rates(history.values(), 0.6 * np.array([2, 3, 4, 5]) / 6, ROWS)


@pytest.mark.parametrize("first", [True, False])
def test_backup_and_restore(first, tmp_path):
    """Keras' own callback, before ours and after it."""
    x = np.ones((ROWS * 2, 1), "float32")

    class Break(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    def callbacks():
        backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
        both = [ScheduledDropPath(), backup]
        return both if first else both[::-1]

    settings = {"batch_size": ROWS, "epochs": 3, "verbose": 0}
    model, _ = observed_model(DropPath(0.6, seed=0), steps=2)
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, x, callbacks=[*callbacks(), Break()], **settings)
    model, history = observed_model(DropPath(0.6, seed=0), steps=4)
    model.fit(x, x, callbacks=callbacks(), **settings)
    assert_rates(history.values(), 0.6 * np.array([2, 3, 4, 5]) / 6, ROWS)


def test_steps_are_counted_under_a_loss_scale():
    """Of `mixed_float16`: its own counter stays 0."""
    model, history = observed_model(DropPath(0.6, seed=0), steps=8)
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.0))
    model.compile(optimizer, "mse", metrics=history.recorders)
    fit(model, steps=4, total_steps=8)
    fit(model, steps=4, total_steps=8)
    assert_rates(history.values(), 0.6 * np.arange(8) / 8, ROWS)


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="a strategy of TensorFlow"
)
@pytest.mark.parametrize(
    "devices", [1, pytest.param(2, marks=pytest.mark.long)]
)
def test_under_a_mirrored_strategy(devices):
    """A network on parts of this processor, in a process of its own."""
    script = pathlib.Path(__file__).with_name("mirrored_probe.py")
    root = script.parents[2]
    done = subprocess.run(
        [sys.executable, script, str(devices)],
        **{"capture_output": True, "text": True, "cwd": root},
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["replicas"] == devices
    # The last of eight steps began after seven; of a second fit, after eleven.
    shares = [7 / 8, 11 / 16]
    expected = [share * found["final rate"] for share in shares]
    assert found["rates"] == pytest.approx(expected)


def test_schedule_errors():
    plain = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    plain.compile("sgd", "mse")
    x = np.ones((4, 1))
    with pytest.raises(ValueError, match="no DropPath layer to schedule"):
        plain.fit(x, x, callbacks=[ScheduledDropPath()], verbose=0)
    for steps in (0, -5, True, 1.5, float("nan")):
        with pytest.raises(ValueError, match=f"total_steps={steps}"):
            ScheduledDropPath(total_steps=steps)
    assert ScheduledDropPath(np.int64(7)).total_steps == 7


def test_unknown_number_of_steps():
    model, history = observed_model(DropPath(0.6, seed=0), steps=4)

    def batches():
        for _ in range(3):
            yield np.ones((ROWS, 1)), np.ones((ROWS, 1))

    def fit_batches(schedule):
        model.fit(batches(), callbacks=[schedule], shuffle=False, verbose=0)

    with pytest.raises(ValueError, match=r"not known .*total_steps=\.\.\."):
        fit_batches(ScheduledDropPath())
    if keras.backend.backend() != "tensorflow":
        return  # The others do not count the step that found no more data.
    with pytest.warns(UserWarning, match="ran out of data"):
        fit_batches(ScheduledDropPath(6))
    largest, _ = history.values()
    expected = [1, 1 / (1 - 0.1), 1 / (1 - 0.2), 0]
    np.testing.assert_allclose(largest, expected, rtol=1e-6)
