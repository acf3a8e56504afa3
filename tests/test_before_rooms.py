"""Files written before the modules moved: they load, and runs resume."""

import csv
import json
import pathlib
import shlex
import shutil

import keras
import keras_tuner
import numpy as np
import pytest

import nasnet_keras
from nasnet_keras.model_files import read_about
from nasnet_keras.search import NASBench201Space, PPOOracle
from tests.support.commands import call

DATA = pathlib.Path(__file__).parent / "data" / "before_rooms"


@pytest.fixture
def copy(tmp_path):
    """Function from the name of a folder to a copy of it."""

    def make(name):
        return pathlib.Path(shutil.copytree(DATA / name, tmp_path / name))

    return make


def test_a_model():
    """Cells, drop path, whitening; the optimizer with its warm-up too."""
    model = nasnet_keras.load_model(DATA / "classifier.keras", compile=True)
    with np.load(DATA / "classifier.npz") as arrays:
        outputs = model.predict(arrays["images"], verbose=0)
        np.testing.assert_allclose(outputs, arrays["outputs"], atol=1e-5)
    names = ["ant", "bee", "cicada"]
    assert read_about(DATA / "classifier.keras")["class_names"] == names
    schedule = model.optimizer._learning_rate
    assert float(schedule(1)) == pytest.approx(0.05)  # Half of the warm-up.


def test_a_backbone():
    model = nasnet_keras.load_model(DATA / "backbone.keras")
    assert isinstance(model, nasnet_keras.Backbone)
    with np.load(DATA / "backbone.npz") as arrays:
        maps = model.predict(arrays["images"], verbose=0)
        assert sorted(maps) == ["P2", "P4"]
        for name, values in maps.items():
            np.testing.assert_allclose(values, arrays[name], atol=1e-4)


def test_a_preset():
    model = nasnet_keras.from_preset(DATA / "preset")
    assert nasnet_keras.get_preset(DATA / "preset").class_names[0] == "ant"
    with np.load(DATA / "preset.npz") as arrays:
        outputs = model.predict(arrays["images"], verbose=0)
        np.testing.assert_allclose(outputs, arrays["outputs"], atol=1e-5)


def rows(path):
    with open(path, newline="") as file:
        read = list(csv.DictReader(file))
    for row in read:
        del row["seconds"]
    return [{k: float(v) for k, v in row.items()} for row in read]


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow",
    reason="the training was one of TensorFlow: others round differently",
)
def test_a_training_goes_on(copy):
    """To the curve of an uninterrupted run, by the command that began it."""
    folder = copy("training")
    words = shlex.split(
        "train --data digits --preset nasnet_cifar --cells-per-stack 1 "
        "--filters 2 --image-size 8 --images 400 --epochs 2 "
        "--recipe cifar10_short --batch-size 100"
    )
    words += ["--genotype", DATA / "cells.json", "--directory", folder]
    assert call(*words) == 0
    expected = rows(DATA / "history_of_both_epochs.csv")
    actual = rows(folder / "history.csv")
    assert len(actual) == len(expected) == 2
    for one, other in zip(expected, actual):
        assert other == pytest.approx(one, rel=1e-3)
    assert nasnet_keras.load_model(folder / "model.keras").output_shape[1] == 10


def records(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_search_goes_on(copy):
    """And its best cell is retrained."""
    if keras.backend.backend() != "tensorflow":
        pytest.skip("the search was one of TensorFlow, which it notes")
    folder = copy("search")
    before = records(folder / "trials.jsonl")
    words = shlex.split(
        "search --data digits --oracle evolution --blocks 2 --images 300 "
        "--epochs 1 --filters 2 --trials 3 --no-compare --trials-per-process 0"
    )
    assert call(*words, "--directory", folder) == 0
    after = records(folder / "trials.jsonl")
    assert after[:2] == before and len(after) == 3
    assert list(after[2]) == ["crc", *before[1]]
    words = shlex.split("--top 1 --cells-per-stack 1 --filters 2 --epochs 1")
    assert call("retrain", folder, *words, "--batch-size", 60) == 0
    about = read_about(folder / "model.keras")
    assert about["crop"] == 1.0 and about["interpolation"] == "bicubic"
    drawn = {"validation_split": 0.2, "images": 300, "older_draw": 0}
    assert drawn.items() <= about["data"].items()


def test_a_policy_goes_on(copy):
    """The old journal and snapshot give the proposals that followed then."""
    folder = copy("ppo")
    oracle = PPOOracle(
        NASBench201Space(), settings="small", batch_size=4, units=8,
        max_trials=14,
    )  # fmt: skip
    oracle.verbose = 0
    oracle.folder = folder
    while (trial := oracle.create_trial("tuner")).status == "RUNNING":
        names = list(trial.hyperparameters.values.values())
        reward = names.count("nor_conv_3x3") / 6
        oracle.update_trial(trial.trial_id, {"val_accuracy": reward})
        trial.status = keras_tuner.engine.trial.TrialStatus.COMPLETED
        oracle.end_trial(trial)
    oracle.close()
    expected = records(DATA / "ppo_trials_of_14.jsonl")
    actual = records(folder / "trials.jsonl")
    for one, other in zip(expected, actual, strict=True):
        assert list(one) == [name for name in other if name != "crc"]
        for key in ("trial", "status", "score", "values", "policy"):
            assert other[key] == one[key]
        assert other["log_prob"] == pytest.approx(one["log_prob"], abs=1e-4)
