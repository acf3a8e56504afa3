"""Our convolutions against those of Keras."""

import itertools

import keras
import numpy as np
import pytest

from nasnet_keras.layers import depthwise
from nasnet_keras.layers.convolutions import Conv2D, SeparableConv2D

tf = pytest.importorskip("tensorflow")  # Elsewhere they are Keras' own.

LAYERS = {
    "pointwise": (Conv2D, keras.layers.Conv2D, (5, 1), {}),
    "active": (Conv2D, keras.layers.Conv2D, (5, 1), {"activation": "relu"}),
    "strided": (Conv2D, keras.layers.Conv2D, (5, 1), {"strides": 2}),
    "of a bias": (Conv2D, keras.layers.Conv2D, (5, 1), {"use_bias": True}),
    "of groups": (Conv2D, keras.layers.Conv2D, (4, 1), {"groups": 2}),
    "3x3": (Conv2D, keras.layers.Conv2D, (5, 3), {"padding": "same"}),
    "separable": (
        SeparableConv2D,
        keras.layers.SeparableConv2D,
        (5, 3),
        {"strides": 2, "padding": "same"},
    ),
    "separable 5x5": (
        SeparableConv2D,
        keras.layers.SeparableConv2D,
        (5, 5),
        {"padding": "same"},
    ),
    "separable 7x7, strided": (
        SeparableConv2D,
        keras.layers.SeparableConv2D,
        (5, 7),
        {"strides": 2, "padding": "same"},
    ),
    "separable, of two multipliers": (
        SeparableConv2D,
        keras.layers.SeparableConv2D,
        (5, (3, 4)),
        {"padding": "valid", "depth_multiplier": 2},
    ),
    "separable, active": (
        SeparableConv2D,
        keras.layers.SeparableConv2D,
        (5, 5),
        {"activation": "relu", "dilation_rate": 2, "padding": "same"},
    ),
}
IMAGES = (2, 7, 6, 4)


def twins(name, dtype=None):
    """Our layer and Keras', with the same weights."""
    ours, theirs, arguments, more = LAYERS[name]
    found = [
        each(*arguments, **{"use_bias": False, **more}, dtype=dtype)
        for each in (ours, theirs)
    ]
    for layer in found:
        layer.build(IMAGES)
    found[0].set_weights(found[1].get_weights())
    return found


def results(layer, training):
    """Outputs, and gradients of the images and of the weights."""
    x = tf.constant(np.random.default_rng(0).normal(size=IMAGES), "float32")
    with tf.GradientTape() as tape:
        tape.watch(x)
        outputs = layer(x, training=training)
        # Each pixel has another gradient.
        weights = tf.reshape(
            tf.range(tf.size(outputs), dtype=outputs.dtype), outputs.shape
        )
        total = tf.reduce_sum(outputs * weights)
    variables = [x, *(v.value for v in layer.trainable_variables)]
    return outputs, *tape.gradient(total, variables)


@pytest.fixture
def strips(monkeypatch):
    """Also small images, on any processor, have wide kernels in strips."""
    monkeypatch.setattr(depthwise, "LARGE", 0)
    monkeypatch.setattr(depthwise, "by_onednn", lambda: True)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", LAYERS)
def test_equal_keras(name, training, strips):
    for ours, theirs in zip(
        *(results(layer, training) for layer in twins(name)), strict=True
    ):
        largest = np.abs(theirs).max()
        np.testing.assert_allclose(ours, theirs, atol=1e-5 * largest)


@pytest.mark.parametrize("name", ["pointwise", "separable"])
def test_half_precision(name):
    ours, theirs = (
        layer(np.ones(IMAGES, "float32"), training=True)
        for layer in twins(name, "mixed_bfloat16")
    )
    assert ours.dtype == theirs.dtype == "bfloat16"
    np.testing.assert_allclose(
        tf.cast(ours, "float32"), tf.cast(theirs, "float32"), rtol=0.02
    )


@pytest.mark.parametrize("name", ["pointwise", "separable"])
@pytest.mark.parametrize("sides", [(7, 6), (None, None)])
def test_products_in_training_alone(name, sides):
    """A graph for training has no pointwise convolution, whatever its sides."""
    layer, _ = twins(name)
    shape = tf.TensorSpec((None, *sides, 4))

    def operations(training):
        function = tf.function(lambda x: layer(x, training=training))
        graph = function.get_concrete_function(shape).graph
        return [operation.type for operation in graph.get_operations()]

    assert "Conv2D" not in operations(True)
    assert "MatMul" in operations(True)
    assert "Conv2D" in operations(False)
    x = np.ones(IMAGES, "float32")
    assert layer(x, training=True).shape == layer(x).shape


@pytest.mark.parametrize(
    "sides, number", [((9, 8), 3), ((None, None), 1)], ids=["known", "unknown"]
)
def test_strips_of_a_wide_kernel(strips, sides, number):
    """The gradient of 7x7 has three kernels; of unknown sides, TensorFlow's."""
    layer = SeparableConv2D(5, 7, padding="same", use_bias=False)
    layer.build((None, 9, 8, 4))

    @tf.function
    def gradient(x):
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(layer(x, training=True))
        return tape.gradient(total, layer.depthwise_kernel.value)

    shape = tf.TensorSpec((None, *sides, 4))
    graph = gradient.get_concrete_function(shape).graph
    types = [operation.type for operation in graph.get_operations()]
    kernel = "DepthwiseConv2dNativeBackpropFilter"
    assert types.count(kernel) == number


@pytest.mark.parametrize("columns", range(4, 12))
def test_strips_cover_a_kernel(columns):
    """Each column once, in strips of two or three."""
    strips = depthwise._strips(columns)
    covered = [range(first, first + width) for first, width in strips]
    assert list(itertools.chain(*covered)) == list(range(columns))
    # At stride 2 oneDNN's fast kernel has at least two.
    assert {width for _, width in strips} <= {2, 3}


def test_names_in_saved_weights(tmp_path):
    """A file that Keras' own layers wrote is read."""
    ours, theirs, arguments, _ = LAYERS["pointwise"]
    path = tmp_path / "of.weights.h5"
    models = [
        keras.Sequential([keras.Input(IMAGES[1:]), each(*arguments)])
        for each in (theirs, ours)
    ]
    models[0].save_weights(path)
    models[1].load_weights(path)
    for a, b in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_array_equal(a, b)
