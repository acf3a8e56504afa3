"""`export` to Core ML, where coremltools is installed."""

import sys

import pytest

from nasnet_keras.deploy import export
from tests.deploy.exporting.common import network

# The converter warns of its own old code.
pytestmark = pytest.mark.filterwarnings("ignore")
MAC = sys.platform == "darwin"


@pytest.fixture
def coremltools():
    return pytest.importorskip(
        "coremltools",
        reason="coremltools writes Core ML files: pip install "
        "'nasnet-keras[coreml]'",
        exc_type=ImportError,
    )


def described(coremltools, path):
    """The shapes of a file's inputs, and the number of its outputs."""
    model = coremltools.models.MLModel(str(path), skip_model_load=True)
    said = model.get_spec().description
    shapes = [[*x.type.multiArrayType.shape] for x in said.input]
    return shapes, len(said.output)


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_a_core_ml_file(precision, coremltools, tmp_path):
    """It takes one image, and is compared on a Mac."""
    path = tmp_path / "m.mlpackage"
    report = export(network(), path, "coreml", precision)
    assert described(coremltools, path) == ([[1, 24, 24, 3]], 1)
    assert report["compared"] == MAC
    assert MAC or report["reason"] == "Core ML runs on a Mac alone"
    assert "compared_on" in report or not MAC
    assert report["bytes"] > 1000
    beside = {f"m.mlpackage{x}" for x in ("", ".report.json")}
    assert {x.name for x in tmp_path.iterdir()} == beside


def test_an_auxiliary_head(coremltools, tmp_path):
    path = tmp_path / "m.mlpackage"
    report = export(network(auxiliary_head=True), path, "coreml")
    assert described(coremltools, path) == ([[1, 24, 24, 3]], 2)
    assert not MAC or sorted(report["order"]) == [0, 1]


def test_images_of_any_size_are_refused(coremltools, tmp_path):
    model = network(input_shape=(None, None, 3))
    with pytest.raises(ValueError, match="must take images of one size"):
        export(model, tmp_path / "m.mlpackage", "coreml")
    assert list(tmp_path.iterdir()) == []
