"""Both pooling semantics against a computation by plain loops."""

import itertools

import keras
import numpy as np
import pytest

from nasnet_keras.layers.pooling import Pooling
from tests.support.keras_internals import imagenet_utils

SIZES = [(7, 7), (8, 8), (9, 6), (6, 9), (1, 2), (2, 3)]
KINDS = ["max", "average"]
SEMANTICS = ["tf_slim", "keras"]


def pool(x, kind, window, strides, semantics):
    """The pooled `x`, window by window.

    Windows lie as in TensorFlow's "same". Where the padding is zeros (stride
    2 of "keras"), a window holds them; otherwise only the pixels there are.
    """
    zeros = semantics == "keras" and strides == 2
    batch, height, width, channels = x.shape
    rows, columns = -(-height // strides), -(-width // strides)
    result = np.empty((batch, rows, columns, channels), x.dtype)
    for row, column in itertools.product(range(rows), range(columns)):
        ys = span(row, height, window, strides)
        xs = span(column, width, window, strides)
        values = [
            x[:, i, j] if 0 <= i < height and 0 <= j < width else 0 * x[:, 0, 0]
            for i, j in itertools.product(ys, xs)
            if zeros or (0 <= i < height and 0 <= j < width)
        ]
        reduce = np.max if kind == "max" else np.mean
        result[:, row, column] = reduce(values, axis=0)
    return result


def span(position, size, window, strides):
    steps = -(-size // strides)
    padding = max((steps - 1) * strides + window - size, 0)
    start = position * strides - padding // 2
    return range(start, start + window)


def images(size, low=-1.0, high=1.0):
    rng = np.random.default_rng(0)
    return rng.uniform(low, high, (2, *size, 3)).astype("float32")


def test_reference_by_hand():
    """The reference itself, on a short row."""
    x = np.array([-4.0, -2.0, -6.0, -8.0]).reshape(1, 1, 4, 1)
    slim = [pool(x, kind, 3, 2, "tf_slim").ravel() for kind in KINDS]
    np.testing.assert_array_equal(slim, [[-2, -6], [-4, -7]])
    zero = [pool(x, kind, 3, 2, "keras").ravel() for kind in KINDS]
    np.testing.assert_allclose(zero, [[0, 0], [-12 / 9, -14 / 9]])


@pytest.mark.parametrize("semantics", SEMANTICS)
@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("window", [3, 5, 7])
@pytest.mark.parametrize("kind", KINDS)
def test_pooling_equals_the_loops(kind, window, strides, semantics):
    layer = Pooling(kind, window, strides, semantics)
    for size in SIZES:
        # All negative, so that a padding of zeros would win a maximum.
        for x in images(size), images(size, high=-0.1):
            expected = pool(x, kind, window, strides, semantics)
            actual = np.asarray(layer(x))
            np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)
            assert layer.compute_output_shape(x.shape) == actual.shape


@pytest.mark.parametrize("window", [3, 5, 7])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", SIZES)
def test_keras_semantics_are_those_of_keras_applications(kind, window, size):
    """The layers that keras.applications builds, with its own padding."""
    x = images(size)
    padding = imagenet_utils.correct_pad(x, window)
    pooling = {
        "max": keras.layers.MaxPooling2D,
        "average": keras.layers.AveragePooling2D,
    }[kind]
    expected = pooling(window, 2, "valid")(
        keras.layers.ZeroPadding2D(padding)(x)
    )
    actual = Pooling(kind, window, 2, "keras")(x)
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("size", [(7, 7), (8, 8), (7, 8)])
def test_zeros_win_only_with_keras_semantics_and_stride_2(size):
    x = -np.ones((1, *size, 1), "float32")
    for semantics, strides in itertools.product(SEMANTICS, (1, 2)):
        zeros = semantics == "keras" and strides == 2
        highest = np.asarray(Pooling("max", 3, strides, semantics)(x)).max()
        assert highest == (0 if zeros else -1), (semantics, strides)
        # The average is minus one unless zeros are included.
        pool = Pooling("average", 3, strides, semantics)
        average = np.asarray(pool(x)).max()
        assert (average > -0.9) == zeros, (semantics, strides)


@pytest.mark.parametrize("semantics", SEMANTICS)
@pytest.mark.parametrize("kind", KINDS)
def test_one_model_pools_any_size(kind, semantics):
    """Odd and even sides, in one compiled model of unknown size."""
    inputs = keras.Input((None, None, 3))
    layer = Pooling(kind, 3, 2, semantics)
    model = keras.Model(inputs, layer(inputs))
    assert model.output_shape == (None, None, None, 3)
    for size in (7, 8), (8, 7):
        expected = pool(images(size), kind, 3, 2, semantics)
        actual = model.predict(images(size), verbose=0)
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)


def test_config_round_trip():
    layer = Pooling("average", 5, 2, "keras", name="mine")
    twin = Pooling.from_config(layer.get_config())
    assert twin.get_config() == layer.get_config()
    x = images((7, 8))
    np.testing.assert_array_equal(twin(x), layer(x))


def test_errors_name_the_argument():
    with pytest.raises(ValueError, match=r"`kind` .* kind='median'"):
        Pooling("median", 3)
    message = r"`pooling_semantics` .* pooling_semantics='theano'"
    with pytest.raises(ValueError, match=message):
        Pooling("max", 3, pooling_semantics="theano")


@pytest.mark.parametrize("size", [(7, 9), (8, 8), (8, 7)])
@pytest.mark.parametrize("kind", ["max", "average"])
def test_alignment_of_pytorch(kind, size):
    """Padding on both sides, which is ignored in maximum and average."""
    torch = pytest.importorskip("torch")
    from torch.nn import functional

    x = np.random.default_rng(0).normal(-3, 1, (2, *size, 3))
    x = x.astype("float32")
    layer = Pooling(kind, 3, 2, alignment="pytorch")
    first = torch.tensor(x.transpose(0, 3, 1, 2))
    if kind == "max":
        expected = functional.max_pool2d(first, 3, 2, padding=1)
    else:
        expected = functional.avg_pool2d(
            first, 3, 2, padding=1, count_include_pad=False
        )
    expected = expected.numpy().transpose(0, 2, 3, 1)
    np.testing.assert_allclose(layer(x), expected, rtol=1e-5)
    even = any(side % 2 == 0 for side in size)
    differs = np.abs(Pooling(kind, 3, 2)(x) - expected).max() > 1e-3
    assert differs == even


@pytest.mark.parametrize("semantics", ["tf_slim", "keras"])
@pytest.mark.parametrize("size", [7, 8])
def test_even_window(semantics, size):
    """2x2 at stride 2, as TensorFlow's "same": padded at the end."""
    x = np.random.default_rng(0).normal(-3, 1, (1, size, size, 1))
    x = x.astype("float32")
    far = size % 2
    value = 0.0 if semantics == "keras" else -np.inf
    padded = np.pad(
        x, ((0, 0), (0, far), (0, far), (0, 0)), constant_values=value
    )
    half = (size + 1) // 2
    blocks = padded.reshape(1, half, 2, half, 2, 1)
    layer = Pooling("max", 2, 2, pooling_semantics=semantics)
    np.testing.assert_allclose(layer(x), blocks.max((2, 4)), rtol=1e-6)


@pytest.mark.parametrize(
    "argument", [{"window": 0}, {"window": 2.5}, {"strides": 3}]
)
def test_window_and_strides_errors(argument):
    ((name, value),) = argument.items()
    arguments = {"kind": "max", "window": 3, **argument}
    with pytest.raises(ValueError, match=f"`{name}` .*{name}={value}"):
        Pooling(**arguments)
