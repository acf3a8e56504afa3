"""Preprocessing and class names against those of keras.applications."""

import hashlib
import importlib.resources
import json
import subprocess
import sys

import keras
import numpy as np
import pytest

from nasnet_keras.images.imagenet import (
    class_index,
    decode_predictions,
    preprocess_input,
)
from tests.support.keras_internals import imagenet_utils


def file_bytes():
    folder = importlib.resources.files("nasnet_keras.images")
    return folder.joinpath("imagenet_class_index.json").read_bytes()


@pytest.fixture
def reference(monkeypatch, tmp_path):
    """keras.applications' decoder, which gets our file instead of a download.

    It asks for a file of a certain hash; ours must have it.
    """

    def get_file(name, origin, cache_subdir, file_hash):
        content = file_bytes()
        assert hashlib.md5(content).hexdigest() == file_hash
        path = tmp_path / name
        path.write_bytes(content)
        return path

    monkeypatch.setattr(imagenet_utils, "CLASS_INDEX", None)
    monkeypatch.setattr(imagenet_utils.file_utils, "get_file", get_file)
    return keras.applications.nasnet.decode_predictions


def random_scores(samples=4, seed=0):
    scores = np.random.default_rng(seed).random((samples, 1000), "float32")
    return scores / scores.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "uint8"])
def test_preprocess_numpy(dtype):
    x = np.random.default_rng(0).integers(0, 256, (2, 5, 6, 3)).astype(dtype)
    before = x.copy()
    expected = keras.applications.nasnet.preprocess_input(x.copy())
    actual = preprocess_input(x)
    assert isinstance(actual, np.ndarray)
    assert actual.dtype == expected.dtype
    np.testing.assert_array_equal(actual, expected)
    # Keras overwrites a floating-point array; ours must not.
    np.testing.assert_array_equal(x, before)


def test_preprocess_ends_of_the_range():
    x = np.array([0, 127.5, 255], "float32")
    assert preprocess_input(x).tolist() == [-1, 0, 1]


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_preprocess_tensors(data_format):
    values = np.linspace(0, 255, 72, dtype="float32").reshape((2, 4, 3, 3))
    x = keras.ops.convert_to_tensor(values)
    actual = preprocess_input(x, data_format=data_format)
    assert keras.ops.is_tensor(actual)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(x), values)
    expected = keras.applications.nasnet.preprocess_input(x, data_format)
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(actual),
        keras.ops.convert_to_numpy(expected),
    )


def test_preprocess_integer_tensor():
    x = keras.ops.convert_to_tensor(np.array([[0, 51, 255]], "uint8"))
    actual = keras.ops.convert_to_numpy(preprocess_input(x))
    assert actual.dtype == "float32"
    np.testing.assert_allclose(actual, [[-1, -0.6, 1]], rtol=1e-6)


def test_preprocess_within_a_model():
    inputs = keras.Input((None, None, 3), dtype="uint8")
    model = keras.Model(inputs, preprocess_input(inputs))
    x = np.array([0, 51, 255], "uint8").reshape((1, 1, 1, 3))
    outputs = keras.ops.convert_to_numpy(model(x))
    np.testing.assert_allclose(outputs.ravel(), [-1, -0.6, 1], rtol=1e-6)


def test_preprocess_refuses_other_data_formats():
    with pytest.raises(ValueError, match="data_format='channels_frist'"):
        preprocess_input(np.zeros((1, 2, 2, 3)), data_format="channels_frist")


def test_class_index():
    classes = class_index()
    expected = json.loads(file_bytes())
    assert len(classes) == len(expected) == 1000
    for number, pair in enumerate(classes):
        assert isinstance(pair, tuple)
        assert list(pair) == expected[str(number)]
    wnids = [wnid for wnid, _ in classes]
    # TensorFlow Datasets and TF-slim number the classes in this order.
    assert wnids == sorted(set(wnids))
    assert class_index() is classes


def test_the_file_is_the_shared_one(shared_data):
    assert file_bytes() == shared_data("imagenet_class_index.json").read_bytes()


@pytest.mark.parametrize("top", [1, 3, 5, 1000, 2000])
def test_decode_equals_keras(reference, top):
    scores = random_scores()
    actual = decode_predictions(scores, top=top)
    assert actual == reference(scores, top=top)
    assert [len(rows) for rows in actual] == [min(top, 1000)] * 4
    assert all(isinstance(row, tuple) for rows in actual for row in rows)


def test_decode_equals_keras_among_equal_scores(reference):
    scores = np.round(random_scores(seed=1) * 2000)
    assert len(np.unique(scores)) < 10
    assert decode_predictions(scores, 50) == reference(scores, 50)


def test_decode_tensors(reference):
    scores = keras.ops.convert_to_tensor(random_scores())
    assert decode_predictions(scores) == reference(scores)


def test_decode_known_class():
    scores = np.zeros((1, 1000), "float32")
    scores[0, 281] = 1
    ((wnid, name, score),) = decode_predictions(scores, top=1)[0]
    assert (wnid, name, score) == ("n02123045", "tabby", 1.0)


@pytest.mark.parametrize("shape", [(1000,), (2, 1001), (1, 2, 1000), (0,)])
def test_decode_refuses_other_shapes_as_keras_does(reference, shape):
    with pytest.raises(ValueError) as expected:
        reference(np.zeros(shape))
    with pytest.raises(ValueError) as actual:
        decode_predictions(np.zeros(shape))
    assert str(actual.value) == str(expected.value)


@pytest.mark.parametrize("top", [0, -1])
def test_decode_refuses_no_classes(top):
    with pytest.raises(ValueError, match=f"top={top}"):
        decode_predictions(random_scores(), top=top)


def test_import_loads_no_backend():
    code = (
        "import sys, nasnet_keras.images.imagenet as imagenet;"
        "imagenet.class_index();"
        "print([m for m in ('keras', 'tensorflow', 'jax', 'torch')"
        " if m in sys.modules])"
    )
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert loaded == "[]\n"
