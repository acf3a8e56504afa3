"""`nasnet train` in real processes, killed and resumed."""

import csv
import json
import os
import signal
import subprocess
import time

import numpy as np
import pytest
from PIL import Image

import nasnet_keras
from tests.support.commands import NASNET, call, nasnet
from tests.support.genotypes import one_block_genotype

EPOCHS = 3
# Averages, drop path, cutout, growing sizes: all that a resumed run must keep.
ARGUMENTS = [
    *("--data", "digits", "--image-size", "8", "--recipe", "cifar10_short"),
    *("--cells-per-stack", "1", "--filters", "8", "--epochs", str(EPOCHS)),
    *("--batch-size", "8", "--ema", "0.9", "--drop-path-rate", "0.3"),
    *("--cutout", "2", "--growing-sizes", "1x6", "--seed", "3"),
    *("--images", "960"),
]


@pytest.fixture(scope="module")
def genotype(tmp_path_factory):
    path = tmp_path_factory.mktemp("cells") / "genotype.json"
    cells = one_block_genotype("sep_conv_3x3")
    path.write_text(json.dumps(cells.to_dict()))
    return str(path)


def train(genotype, folder, *more):
    """The words of the command."""
    return [
        *("train", *ARGUMENTS, "--genotype", genotype),
        *("--directory", str(folder), *more),
    ]


def history(folder):
    with open(folder / "history.csv") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        del row["seconds"]
    return [{k: float(v) for k, v in row.items()} for row in rows]


@pytest.fixture(scope="module")
def whole(genotype, tmp_path_factory):
    """The folder of an uninterrupted training."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    done = nasnet(*train(genotype, folder))
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # Libraries' messages are in the log.
    return folder


def kill_in_epoch(process, folder, epoch):
    """Kills a training in the middle of an epoch, after finished ones."""
    deadline = time.monotonic() + 240
    while not (folder / "checkpoints" / f"epoch_{epoch:04d}.keras").exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(0.3)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_killed_in_mid_epoch_it_goes_on_to_the_same_curve(
    genotype, whole, tmp_path
):
    folder = tmp_path / "run"
    process = subprocess.Popen(
        [*NASNET, *train(genotype, folder)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    kill_in_epoch(process, folder, epoch=1)
    assert not (folder / "model.keras").exists()
    assert len(history(folder)) < EPOCHS
    done = nasnet(*train(genotype, folder))
    assert done.returncode == 0, done.stderr
    assert "Epoch 1/" not in done.stdout
    expected, actual = history(whole), history(folder)
    assert len(actual) == len(expected) == EPOCHS
    for one, other in zip(expected, actual):
        assert other == pytest.approx(one, rel=1e-5)
    assert expected[0]["loss"] != expected[1]["loss"]
    same_weights(whole / "model.keras", folder / "model.keras")


def same_weights(path, other):
    pair = [nasnet_keras.load_model(p) for p in (path, other)]
    for one, two in zip(*(model.get_weights() for model in pair)):
        np.testing.assert_allclose(two, one, rtol=1e-4, atol=1e-6)


def test_what_a_folder_holds(whole):
    names = {path.name for path in whole.iterdir()}
    assert names == {
        *("checkpoints", "history.csv", "curves.png", "log", "logs"),
        *("model.keras", "run.json"),
    }
    kept = sorted(path.name for path in (whole / "checkpoints").iterdir())
    assert kept == ["epoch_0002.keras", "epoch_0003.keras"]
    (events,) = (whole / "logs").glob("events.*")
    assert events.stat().st_size > 500
    run = json.loads((whole / "run.json").read_text())
    assert run["configuration"]["recipe"]["growing_sizes"] == [[1, 6]]
    assert {"keras", "time", "machine"} <= set(run["produced_by"])


def test_the_model_carries_its_classes(whole):
    from nasnet_keras.model_files import read_about

    about = read_about(whole / "model.keras")
    assert about["class_names"] == [str(digit) for digit in range(10)]
    assert about["image_size"] == 8


def test_the_model_takes_raw_images(whole):
    """Its accuracy on them is that of the curve's last epoch."""
    from nasnet_keras.training.data import load_dataset

    data = load_dataset("digits", image_size=8, images=960)
    images, labels = data.validation
    model = nasnet_keras.load_model(whole / "model.keras")
    right = model.predict(images, verbose=0).argmax(axis=1) == labels
    expected = history(whole)[-1]["val_accuracy"]
    assert right.mean() == pytest.approx(expected, abs=1.5 / len(labels))
    assert len(np.unique(labels)) == 10


@pytest.fixture(scope="module")
def colours(tmp_path_factory):
    """14 red and 14 blue images, which a child could tell apart."""
    folder, rng = tmp_path_factory.mktemp("colours"), np.random.default_rng(0)
    for name, colour in {"red": (220, 30, 30), "blue": (30, 30, 220)}.items():
        (folder / name).mkdir()
        for number in range(14):
            values = colour + rng.normal(0, 20, (16, 16, 3))
            image = Image.fromarray(values.clip(0, 255).astype("uint8"))
            image.save(folder / name / f"{number}.png")
    return folder


@pytest.mark.parametrize(
    "preset, side",
    [
        ("nasnet_cifar", 8),
        pytest.param("nasnet_mobile", 32, marks=pytest.mark.long),
    ],
)
def test_a_short_training_saves_what_it_learnt(
    genotype, colours, tmp_path, preset, side
):
    """Ten steps: the average and the batch statistics have followed.

    In inference the saved model gives what training gives for all images in
    one batch; `tests/training/test_fit.py` computes the average.
    """
    from nasnet_keras.layers.drop_path import drop_path_layers
    from nasnet_keras.training.data import load_dataset

    words = f"train --preset {preset} --image-size {side} --epochs 5"
    words += " --cells-per-stack 1 --filters 8 --batch-size 8"
    more = ("--data", colours, "--genotype", genotype)
    folder = tmp_path / "run"
    assert call(*words.split(), *more, "--directory", folder) == 0
    model = nasnet_keras.load_model(folder / "model.keras")
    images, _ = load_dataset(colours, image_size=side).train
    scores = model.predict(images, verbose=0)
    for layer in drop_path_layers(model):
        layer.set_progress(0)
    learning = np.array(model(images, training=True))
    # The variance of 20 values divided by 19, and by 20 in training.
    np.testing.assert_allclose(scores, learning, atol=0.15)
    # By the initial statistics all scores would be nearly the same.
    assert np.ptp(scores[:, 0]) > 0.1


def test_another_training_is_not_continued(genotype, whole, capfd):
    before = sorted(whole.rglob("*"))
    assert call(*train(genotype, whole, "--learning-rate", "0.01")) == 2
    errors = capfd.readouterr().err
    assert "recipe.learning_rate: there 0.1, now 0.01" in errors
    assert sorted(whole.rglob("*")) == before


def test_a_finished_training_is_left_as_it_is(genotype, whole):
    before = (whole / "history.csv").read_bytes()
    assert call(*train(genotype, whole)) == 0
    assert (whole / "history.csv").read_bytes() == before


@pytest.mark.long
def test_two_devices_train_what_one_does(genotype, tmp_path):
    """Keras' own distribution: JAX, with two devices on one processor."""
    pytest.importorskip("jax")
    # Few and small steps: sums in another order are all that differs, and a
    # long training would magnify it.
    short = ["--epochs", "1", "--images", "160", "--learning-rate", "0.01"]
    curves = []
    for name, more in (("one", short), ("two", [*short, "--distribute"])):
        environment = {
            **os.environ,
            "KERAS_BACKEND": "jax",
            "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
        }
        done = nasnet(*train(genotype, tmp_path / name, *more), env=environment)
        assert done.returncode == 0, done.stderr
        curves.append([row["loss"] for row in history(tmp_path / name)])
    assert curves[1] == pytest.approx(curves[0], rel=1e-4)


def test_distribution_needs_jax(genotype, tmp_path, capfd):
    import keras

    if keras.backend.backend() == "jax":
        pytest.skip("JAX distributes: there is nothing to refuse")
    assert call(*train(genotype, tmp_path / "run", "--distribute")) == 2
    assert "KERAS_BACKEND=jax" in capfd.readouterr().err


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--epochs", "0"], "`epochs` must be an integer of at least 1"),
        (["--learning-rate", "0"], "`learning_rate` must be a finite number"),
        (["--image-size", "0"], "`image_size` must be an integer of at least"),
        (["--image-size", "100000"], "image_size=100000"),
        (["--momentum", "nan"], "`momentum` must be a finite number"),
        (["--decay-epochs", "0"], "`decay_epochs` must be a finite number"),
        (["--seed", "-1"], "`seed` must be an integer of at least 0"),
        (["--seed", str(2**70)], f"Received: seed={2**70}"),
        (["--growing-sizes", "1x0"], "argument --growing-sizes: must be"),
        (["--growing-sizes", "-1x8"], "--growing-sizes"),
        (["--growing-sizes", "axb"], "Received: 'axb'"),
        (["--growing-sizes", "9x8"], "`growing_sizes` must be of at most"),
        (["--accumulation-steps", "999"], "accumulation_steps=999 for"),
        (["--data", "nowhere"], "nowhere"),
        (["--preset", "resnet"], "resnet"),
        (["--growing-sizes", "16"], "EPOCHSxSIDE"),
        (["--batch-size", "100000"], "`batch_size` must not exceed"),
        (["--freeze-to", "cell_99"], "cell_99"),
        (["--teacher", "none.keras"], "none.keras"),
    ],
)
def test_wrong_arguments(genotype, tmp_path, capfd, arguments, message):
    folder = tmp_path / "run"
    assert call(*train(genotype, folder, *arguments)) == 2
    output = capfd.readouterr()
    assert message in output.err
    assert "Traceback" not in output.err
    assert not folder.exists()


def test_a_folder_of_something_else_is_kept(genotype, tmp_path, capfd):
    (tmp_path / "letter.txt").write_text("mine")
    assert call(*train(genotype, tmp_path)) == 2
    assert "holds other files" in capfd.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]
