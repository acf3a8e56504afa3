"""`nasnet export`: its words reach `export`."""

import json

import keras
import pytest

import nasnet_keras
from nasnet_keras.model_files import save_model
from tests.support.commands import call
from tests.support.genotypes import TWO_BLOCKS
from tests.support.sources import small_keras_nasnet

pytestmark = [
    # The converters warn of their own old code.
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(
        keras.backend.backend() != "tensorflow",
        reason="the formats are exported by TensorFlow",
    ),
]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    keras.utils.set_random_seed(0)
    network = nasnet_keras.NASNet(
        TWO_BLOCKS,
        **{"cells_per_stack": 1, "filters": 4, "stem": "cifar", "classes": 5},
        input_shape=(16, 16, 3),
        include_preprocessing=True,
    )
    path = tmp_path_factory.mktemp("model") / "m.keras"
    save_model(network, path, {"class_names": list("abcde")})
    return path


def report_of(path):
    return json.loads(path.with_name(path.name + ".report.json").read_text())


def test_the_default(model, tmp_path, capsys):
    words = ("--model", model, "--output", tmp_path / "saved")
    assert call("export", *words) == 0
    report = report_of(tmp_path / "saved")
    assert report["format"] == "tf_saved_model" and report["fused"]
    said = capsys.readouterr().out
    assert "saved: " in said
    assert "% of 8 predictions are the same (on random images)\n" in said


def test_every_word(model, tmp_path, shared_data, capsys):
    words = ["--model", model, "--output", tmp_path / "m.onnx", "--no-fuse"]
    words += ["--format", "onnx", "--precision", "int8"]
    assert call("export", *words, "--calibrate", shared_data("flowers")) == 0
    report = report_of(tmp_path / "m.onnx")
    assert report["format"] == "onnx" and report["precision"] == "int8"
    assert report["images"] == 64 and not report["fused"]
    assert "are the same (on calibration images)\n" in capsys.readouterr().out


@pytest.mark.long
def test_a_model_of_keras_applications(tmp_path, shared_data, capsys):
    """It does not say which values it takes: the user does."""
    small_keras_nasnet(0).save(tmp_path / "m.keras")
    words = ["--model", tmp_path / "m.keras", "--output", tmp_path / "m.onnx"]
    words += ["--format", "onnx", "--precision", "int8"]
    words += ["--calibrate", shared_data("flowers")]
    assert call("export", *words) == 2
    assert "Give `input_range` (--input-range)" in capsys.readouterr().err
    assert call("export", *words, "--input-range", "-1..1") == 0
    assert "are the same (on calibration images)\n" in capsys.readouterr().out


def test_a_model_of_any_size(tmp_path, shared_data, capsys):
    """Neither a size nor a range of pixels is known."""
    inputs = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(4, 3, activation="relu")(inputs)
    x = keras.layers.GlobalAveragePooling2D()(x)
    keras.Model(inputs, keras.layers.Dense(3)(x)).save(tmp_path / "m.keras")
    words = ["--model", tmp_path / "m.keras", "--output", tmp_path / "saved"]
    words += ["--calibrate", shared_data("flowers")]
    assert call("export", *words) == 2
    assert "Give `input_range` (--input-range)" in capsys.readouterr().err
    words += ["--input-range", "-1..1"]
    assert call("export", *words) == 2
    assert "Give `image_size` (--image-size)" in capsys.readouterr().err
    assert call("export", *words, "--image-size", 16) == 0
    assert "are the same (on given images)\n" in capsys.readouterr().out


def test_another_order_is_said(model, capsys, tmp_path, monkeypatch):
    report = {"bytes": 1e6, "compared": True, "largest_difference": 1e-6}
    report |= {"same_predictions": 1.0, "images": 8, "order": [1, 0]}
    report["compared_on"] = "random images"
    monkeypatch.setattr("nasnet_keras.deploy.export", lambda *a, **k: report)
    words = ("--model", model, "--output", tmp_path / "saved")
    assert call("export", *words) == 0
    said = "the model's outputs are, in this order, its outputs 2, 1\n"
    assert capsys.readouterr().out.endswith(said)


def test_a_wrong_word(model, tmp_path, capsys):
    words = ("--model", model, "--output", tmp_path / "m.onnx")
    assert call("export", *words) == 2
    assert "of the format 'onnx'" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_size_below_1(model, tmp_path, capsys):
    words = ("--model", model, "--output", tmp_path / "saved")
    assert call("export", *words, "--image-size", 0) == 2
    assert "--image-size must be at least 1" in capsys.readouterr().err
