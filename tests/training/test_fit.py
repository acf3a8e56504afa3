"""A training in its folder, with small networks of plain layers.

`tests/cli/test_train.py` trains real networks, in processes that are killed.
"""

import contextlib
import dataclasses
import itertools
import resource
import shutil
import signal

import keras
import numpy as np
import pytest

from nasnet_keras import NASNet, freeze_to
from nasnet_keras.layers.drop_path import DropPath, drop_path_layers
from nasnet_keras.model_files import save_model
from nasnet_keras.runs.lock import FolderInUseError
from nasnet_keras.training import fit as module
from nasnet_keras.training.callbacks import Checkpoints, TrainingError
from nasnet_keras.training.curves import read_history
from nasnet_keras.training.data import load_dataset
from nasnet_keras.training.fit import fit
from nasnet_keras.training.recipes import Recipe
from tests.support.genotypes import one_block_genotype
from tests.support.locks import another_process_in

RECIPE = Recipe(
    epochs=3,
    batch_size=32,
    learning_rate=0.2,
    nesterov=True,
    warmup_epochs=0.5,
    clip_norm=5.0,
    weight_decay=1e-4,
    label_smoothing=0.1,
    drop_path_rate=0.2,
    ema=0.9,
    image_size=8,
    cutout=2,
)


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits", image_size=8, images=400)


def network(heads=1, seed=0):
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((None, None, 3))
    x = keras.layers.Rescaling(1 / 127.5, -1.0)(inputs)
    x = keras.layers.Conv2D(16, 3, activation="relu")(x)
    x = DropPath(0.2, seed=0)(x)
    x = keras.layers.GlobalMaxPooling2D()(x)
    outputs = [
        keras.layers.Dense(10, activation="softmax", name=name)(x)
        for name in ("predictions", "auxiliary_predictions")[:heads]
    ]
    return keras.Model(inputs, outputs[0] if heads == 1 else outputs)


def losses(rows):
    return [row["loss"] for row in rows]


@contextlib.contextmanager
def added(callback):
    """Adds a callback to those of `fit`, as the last one."""
    with pytest.MonkeyPatch.context() as patch:
        real = module._callbacks
        patch.setattr(
            module, "_callbacks", lambda *args: [*real(*args), callback]
        )
        yield


class Interrupt(keras.callbacks.Callback):
    """As Ctrl-C in the fourth step of the second epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == (1, 3):
            raise KeyboardInterrupt


def test_an_interrupted_training_joins_its_curve(digits, tmp_path):
    whole = fit(network(), RECIPE, digits, tmp_path / "whole", verbose=0)

    folder = tmp_path / "broken"
    with pytest.raises(KeyboardInterrupt), added(Interrupt()):
        fit(network(), RECIPE, digits, folder, verbose=0)
    # Other initial weights: the checkpoint replaces them.
    model = network(seed=9)
    rows = fit(model, RECIPE, digits, folder, verbose=0)
    assert losses(rows) == pytest.approx(losses(whole), rel=1e-5)
    validation = [row["val_loss"] for row in rows]
    assert validation == pytest.approx(
        [row["val_loss"] for row in whole], rel=1e-5
    )
    assert read_history(folder / "history.csv") == rows


class Path(keras.callbacks.Callback):
    """Keeps the weights after each step."""

    def on_train_begin(self, logs=None):
        self.weights = []

    def on_train_batch_end(self, batch, logs=None):
        if keras.backend.backend() == "jax":
            self.model.jax_state_sync()
        now = [np.array(w, "float64") for w in self.model.get_weights()]
        self.weights.append(now)


def test_the_average_is_what_is_saved(digits, tmp_path):
    """By hand: the momentum is (1 + n) / (10 + n) after n of 33 updates.

    With the final 0.999999 the average would still be the initial weights.
    """
    recipe = dataclasses.replace(RECIPE, ema=0.999999)
    model, path = network(), Path()
    with added(path):
        fit(model, recipe, digits, tmp_path, verbose=0)
    assert len(path.weights) == 33
    expected = path.weights[0]
    for n, weights in enumerate(path.weights[1:], 2):
        kept = (1 + n) / (10 + n)
        expected = [
            kept * old + (1 - kept) * new for old, new in zip(expected, weights)
        ]
    saved = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    checkpoint = tmp_path / "checkpoints" / "epoch_0003.keras"
    raw = keras.saving.load_model(checkpoint, compile=False).get_weights()
    for i, average in enumerate(saved.get_weights()):
        np.testing.assert_allclose(average, expected[i], rtol=1e-4, atol=1e-6)
        np.testing.assert_array_equal(average, model.get_weights()[i])
        np.testing.assert_array_equal(raw[i], path.weights[-1][i])
    assert abs(raw[0] - path.weights[0][0]).max() > 0.05


def test_two_heads(digits, tmp_path):
    recipe = dataclasses.replace(RECIPE, auxiliary_weight=0.4, epochs=1)
    rows = fit(network(heads=2), recipe, digits, tmp_path, verbose=0)
    heads = [
        rows[0][f"{name}_loss"]
        for name in ("predictions", "auxiliary_predictions")
    ]
    assert rows[0]["loss"] > heads[0] + 0.4 * heads[1] - 1e-3
    assert "val_predictions_accuracy" in rows[0]


@pytest.mark.parametrize("schedule", ["constant", "adaptive"])
def test_other_drop_path_schedules(digits, tmp_path, schedule):
    recipe = dataclasses.replace(RECIPE, drop_path_schedule=schedule, epochs=1)
    model = network()
    fit(model, recipe, digits, tmp_path, verbose=0)
    (layer,) = (x for x in model.layers if isinstance(x, DropPath))
    expected = {"constant": 0.2, "adaptive": 0.0}[schedule]
    assert float(layer.current_rate.state) == pytest.approx(expected)


def test_with_a_teacher_the_student_is_saved(digits, tmp_path):
    teacher = network(seed=5)
    recipe = dataclasses.replace(RECIPE, epochs=2, ema=0.0)
    whole = fit(
        network(), recipe, digits, tmp_path / "a", teacher=teacher, verbose=0
    )
    saved = keras.saving.load_model(tmp_path / "a/model.keras", compile=False)
    assert saved.count_params() == teacher.count_params()
    alone = fit(network(), recipe, digits, tmp_path / "b", verbose=0)
    assert losses(alone) != pytest.approx(losses(whole), rel=1e-2)


@pytest.fixture
def disk():
    """Function that limits the files of this process to 10 kB."""
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    signal.signal(signal.SIGXFSZ, before)


def test_a_full_disk_leaves_the_last_good_checkpoint(digits, tmp_path, disk):
    one = dataclasses.replace(RECIPE, schedule="constant")
    fit(network(), dataclasses.replace(one, epochs=1), digits, tmp_path)
    good = tmp_path / "checkpoints" / "epoch_0001.keras"
    content, model = good.read_bytes(), (tmp_path / "model.keras").read_bytes()
    disk()
    with pytest.raises(TrainingError, match="cannot be written") as error:
        fit(network(), one, digits, tmp_path, verbose=0)
    assert str(good) in str(error.value)
    assert good.read_bytes() == content
    assert (tmp_path / "model.keras").read_bytes() == model
    left = [path.name for path in good.parent.iterdir()]
    assert left == ["epoch_0001.keras"]


def test_a_folder_that_is_a_file(digits, tmp_path):
    path = tmp_path / "file"
    path.write_text("mine")
    with pytest.raises(TrainingError, match="cannot be written"):
        fit(network(), RECIPE, digits, path, verbose=0)
    assert path.read_text() == "mine"


def test_mixed_precision(digits, tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = network()
        rows = fit(model, RECIPE, digits, tmp_path, verbose=0)
    finally:
        keras.config.set_dtype_policy("float32")
    assert len(losses(rows)) == 3 and np.isfinite(losses(rows)).all()
    assert {w.dtype for w in model.weights} == {"float32"}


# All at once. The others are long.
QUICK = ("mixed_float16", 0.8, "cell_1", 3, 0.99, "sgd")
COMBINATIONS = itertools.product(
    *(("float32", "mixed_bfloat16", "mixed_float16"), (1, 0.8)),
    *((None, "cell_1"), (1, 3), (0.0, 0.99), ("sgd", "rmsprop")),
)


@pytest.mark.parametrize(
    "precision, depth_decay, frozen, accumulation, ema, optimizer",
    [
        pytest.param(*each, marks=() if each == QUICK else pytest.mark.long)
        for each in COMBINATIONS
    ],
)
def test_all_settings_go_together(
    digits,
    tmp_path,
    precision,
    depth_decay,
    frozen,
    accumulation,
    ema,
    optimizer,
):
    """And a training that is interrupted ends as one that is not."""
    recipe = dataclasses.replace(
        RECIPE,
        epochs=2,
        batch_size=54,  # Of 360 images: six steps, two updates of three.
        learning_rate=0.05,
        optimizer=optimizer,
        depth_decay=depth_decay,
        accumulation_steps=accumulation,
        ema=ema,
        drop_path_rate=0.4,
        cutout=0,
    )

    def run(folder):
        keras.utils.set_random_seed(0)
        model = NASNet(
            one_block_genotype("conv_1x1"),
            cells_per_stack=1,
            filters=2,
            stem="cifar",
            classes=10,
            input_shape=(None, None, 3),
            include_preprocessing=True,
            drop_path_rate=0.4,
        )
        if frozen is not None:
            freeze_to(model, frozen)
        rows = fit(model, recipe, digits, tmp_path / folder, verbose=0)
        return rows, model

    keras.config.set_dtype_policy(precision)
    try:
        expected, whole = run("whole")
        with pytest.raises(KeyboardInterrupt), added(Interrupt()):
            run("broken")
        actual, model = run("broken")
    finally:
        keras.config.set_dtype_policy("float32")
    for one, other in zip(expected, actual, strict=True):
        del one["seconds"], other["seconds"]
        assert other == pytest.approx(one, rel=1e-3, abs=1e-6)
    # The cosine ends with the training: the schedule missed no update.
    assert actual[-1]["learning_rate"] == pytest.approx(0, abs=1e-8)
    for one, other in zip(whole.get_weights(), model.get_weights()):
        np.testing.assert_allclose(other, one, rtol=1e-2, atol=1e-4)
    layer = drop_path_layers(model)[-1]
    # The last of twelve steps began after eleven.
    rate = float(keras.ops.convert_to_numpy(layer.current_rate.state))
    assert rate == pytest.approx(layer.rate * 11 / 12, rel=1e-5)


def test_without_validation(tmp_path):
    digits = load_dataset(
        "digits", image_size=8, images=100, validation_split=0
    )
    recipe = dataclasses.replace(RECIPE, epochs=1)
    rows = fit(network(), recipe, digits, tmp_path, verbose=0)
    assert not any(name.startswith("val_") for name in rows[0])


@pytest.fixture(scope="module")
def finished(digits, tmp_path_factory):
    """A finished training: its folder and its curve."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    return folder, fit(network(), RECIPE, digits, folder, verbose=0)


def test_a_damaged_checkpoint_is_named_and_left_out(
    finished, digits, tmp_path, capsys
):
    folder = shutil.copytree(finished[0], tmp_path / "run")
    good, last = (
        folder / "checkpoints" / f"epoch_000{epoch}.keras" for epoch in (2, 3)
    )
    content = bytearray(last.read_bytes())
    content[len(content) // 2] ^= 1
    last.write_bytes(content)
    (folder / "checkpoints" / ".epoch_0003.keras.abcd1234").mkdir()
    rows = fit(network(seed=9), RECIPE, digits, folder, verbose=0)
    errors = capsys.readouterr().err
    assert f"{last} is damaged." in errors
    assert f"The training goes on from {good}." in errors
    assert losses(rows) == pytest.approx(losses(finished[1]), rel=1e-5)
    assert read_history(folder / "history.csv") == rows
    names = sorted(path.name for path in last.parent.iterdir())
    assert names == ["epoch_0002.keras", "epoch_0003.keras"]
    for path in (good, last):
        path.write_bytes(b"")
    with pytest.raises(
        TrainingError, match=r"All checkpoints in .* are damaged"
    ):
        fit(network(), RECIPE, digits, folder, verbose=0)


def test_damaged_checkpoints_are_recognised(finished, tmp_path):
    content = (finished[0] / "checkpoints/epoch_0003.keras").read_bytes()
    path = tmp_path / "epoch_0003.keras"
    checkpoints = Checkpoints(None, tmp_path)
    path.write_bytes(content)
    assert checkpoints.last() == path
    for size in (0, 10, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:size])
        assert checkpoints.last() is None
        assert checkpoints.describe_last() == "There is no checkpoint yet."
    path.unlink()
    (tmp_path / "epoch_of_mine.keras").touch()
    assert checkpoints.to_go_on_from() is None


def test_a_checkpoint_of_another_network(digits, tmp_path):
    folder = tmp_path / "checkpoints"
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    save_model(model, folder / "epoch_0001.keras")
    with pytest.raises(TrainingError, match="is no checkpoint of this"):
        fit(network(), RECIPE, digits, tmp_path, verbose=0)


def test_one_process_at_a_time(digits, tmp_path):
    with another_process_in(tmp_path):
        with pytest.raises(FolderInUseError, match="Another process works in"):
            fit(network(), RECIPE, digits, tmp_path, verbose=0)
        assert [path.name for path in tmp_path.iterdir()] == [".lock"]
