"""`nasnet export`: its words reach `export`."""

import json

import keras
import pytest

import nasnet_keras
from nasnet_keras.model_files import save_model
from tests.support.commands import call
from tests.support.genotypes import TWO_BLOCKS

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
    assert "saved: " in said and "% of 8 predictions are the same" in said


def test_every_word(model, tmp_path, shared_data):
    words = ["--model", model, "--output", tmp_path / "m.onnx", "--no-fuse"]
    words += ["--format", "onnx", "--precision", "int8"]
    assert call("export", *words, "--calibrate", shared_data("flowers")) == 0
    report = report_of(tmp_path / "m.onnx")
    assert report["format"] == "onnx" and report["precision"] == "int8"
    assert report["images"] == 64 and not report["fused"]


def test_a_wrong_word(model, tmp_path, capsys):
    words = ("--model", model, "--output", tmp_path / "m.onnx")
    assert call("export", *words) == 2
    assert "of the format 'onnx'" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
