"""`compare`: each output of a file with its own of the model."""

import keras
import numpy as np
import pytest

from nasnet_keras.deploy.exporting.compare import (
    ExportError,
    _decisions,
    compare,
)
from nasnet_keras.deploy.exporting.write import write_file
from tests.deploy.exporting.common import FILES, FORMATS, colours, network

# The converters warn of their own old code.
pytestmark = pytest.mark.filterwarnings("ignore")


def compared(model, heads, folder, format="tf_saved_model"):
    """Compares a model with a file that gives some of its heads."""
    given = keras.Model(model.input, [model.outputs[head] for head in heads])
    path = folder / FILES[format]
    write_file(given, path, format, "float32", None)
    return compare(model, path, format, "float32", colours(12))


@pytest.mark.parametrize(
    "format",
    [
        pytest.param(each, marks=() if each == "onnx" else pytest.mark.long)
        for each in FORMATS
    ],
)
def test_the_order_of_the_outputs_is_said(format, tmp_path):
    """Of the network's head and the auxiliary one, of the same shape."""
    report = compared(network(auxiliary_head=True), [1, 0], tmp_path, format)
    assert report["order"] == [1, 0]
    assert 0 < report["largest_difference"] < 1e-4
    assert report["images"] == 12
    assert report["compared_on"] == "given images"


def many_heads(heads):
    """A small model with so many classifiers."""
    inputs = keras.Input((24, 24, 3))
    x = keras.layers.GlobalAveragePooling2D()(inputs)
    scores = [keras.layers.Dense(3)(x) for _ in range(heads)]
    return keras.Model(inputs, scores)


@pytest.mark.parametrize("heads", [[0], [0, 1, 0]])
def test_another_number_of_outputs(heads, tmp_path):
    with pytest.raises(ExportError, match="have the outputs of") as error:
        compared(many_heads(2), heads, tmp_path)
    shapes = ", ".join(["(12, 3)"] * len(heads))
    assert f"Received: [{shapes}]. Nothing was" in str(error.value)


@pytest.mark.parametrize("names", [None, "cgabdefhijkl"])
def test_litert_has_the_order_of_the_model(names, tmp_path):
    """Also of more than ten outputs, and of those that have names."""
    model = many_heads(12)
    if names:
        model = keras.Model(model.input, dict(zip(names, model.outputs)))
    path = tmp_path / "m.tflite"
    write_file(model, path, "litert", "float32", None)
    report = compare(model, path, "litert", "float32", colours(4))
    assert report["order"] == list(range(12))


def test_decisions_of_one_output():
    """Of a probability at 1/2, of a logit at 0."""
    ours = np.array([[0.1], [0.6], [0.9], [0.4]])
    moved = ours - 0.2  # The second is below 1/2 now.
    for middle in (0, 0.5):  # Probabilities, logits.
        a, b = ours - middle, moved - middle
        same = _decisions(a, a) == _decisions(b, a)
        assert same.ravel().tolist() == [True, False, True, True]
