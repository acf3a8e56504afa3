"""Our batch normalization against that of Keras."""

import keras
import numpy as np
import pytest

from nasnet_keras.layers import batch_norm, batch_norm_rows
from nasnet_keras.layers.batch_norm import BatchNormalization

tf = pytest.importorskip("tensorflow")  # For the fused kernel.

# By TensorFlow's kernel, in training by rows of pixels, and as Keras does.
SHAPES = [(4, 5, 3, 8), (4, 5, 3, 6), (8, 6)]
FUSED = SHAPES[0]
SETTINGS = {"momentum": 0.9, "epsilon": 1e-2}


@pytest.fixture(autouse=True)
def rows(monkeypatch):
    """Also small images are normalized by rows, on any processor."""
    monkeypatch.setattr(batch_norm_rows, "LARGE", 0)
    monkeypatch.setattr(batch_norm_rows, "on_cpu", lambda: True)


def twins(shape, dtype=None):
    """Our layer and Keras', with the same random weights."""
    ours = BatchNormalization(**SETTINGS, dtype=dtype)
    theirs = keras.layers.BatchNormalization(**SETTINGS, dtype=dtype)
    rng = np.random.default_rng(1)
    weights = [rng.uniform(0.5, 1.5, shape[-1:]) for _ in range(4)]
    for layer in ours, theirs:
        layer.build(shape)
        layer.set_weights(weights)
    return ours, theirs


def batch(shape, dtype="float32"):
    rng = np.random.default_rng(0)
    return rng.normal(2.0, 3.0, shape).astype("float32").astype(dtype)


def assert_close(actual, expected, tolerance=1e-5):
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.dtype == expected.dtype
    np.testing.assert_allclose(
        actual.astype("float64"),
        expected.astype("float64"),
        rtol=tolerance,
        atol=tolerance,
    )


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("training", [False, True])
def test_outputs_equal_keras(shape, training):
    ours, theirs = twins(shape)
    x = batch(shape)
    expected = theirs(x, training=training)
    assert_close(ours(x, training=training), expected)
    # Inference and training differ.
    assert np.abs(expected - theirs(x, training=not training)).max() > 0.1


@pytest.mark.parametrize("shape", SHAPES)
def test_moving_statistics(shape):
    """The mean equals Keras'; the variance is unbiased, divided by n - 1."""
    ours, theirs = twins(shape)
    start = [np.array(weight) for weight in ours.get_weights()]
    x = batch(shape)
    ours(x, training=True)
    theirs(x, training=True)
    axes = tuple(range(x.ndim - 1))
    unbiased = 0.9 * start[3] + 0.1 * x.var(axes, ddof=1)
    biased = 0.9 * start[3] + 0.1 * x.var(axes)
    assert np.abs(unbiased - biased).min() > 1e-3
    assert_close(ours.moving_mean, theirs.moving_mean)
    assert_close(ours.moving_variance, unbiased.astype("float32"))
    assert_close(theirs.moving_variance, biased.astype("float32"))
    np.testing.assert_array_equal(ours.gamma, start[0])
    np.testing.assert_array_equal(ours.beta, start[1])


@pytest.mark.parametrize("shape", SHAPES)
def test_inference_leaves_the_statistics(shape):
    ours, _ = twins(shape)
    before = ours.get_weights()
    ours(batch(shape), training=False)
    ours(batch(shape))
    np.testing.assert_array_equal(ours.get_weights(), before)


@pytest.mark.parametrize("shape", SHAPES)
def test_frozen_layer_uses_its_moving_statistics(shape):
    ours, theirs = twins(shape)
    ours.trainable = theirs.trainable = False
    before = ours.get_weights()
    x = batch(shape)
    assert_close(ours(x, training=True), theirs(x, training=True))
    assert_close(ours(x, training=True), ours(x, training=False))
    np.testing.assert_array_equal(ours.get_weights(), before)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    "dtype, policy, tolerance",
    [
        ("float16", "mixed_float16", 5e-3),
        ("bfloat16", "mixed_bfloat16", 4e-2),
    ],
)
def test_half_precision_inputs(dtype, policy, tolerance, training):
    """Half precision in and out; statistics in single precision."""
    shape = SHAPES[0]
    ours, _ = twins(shape, policy)
    single, _ = twins(shape)
    x = tf.cast(batch(shape), dtype)
    outputs = ours(x, training=training)
    expected = single(tf.cast(x, "float32"), training=training)
    assert outputs.dtype == dtype
    assert_close(tf.cast(outputs, "float32"), expected, tolerance)
    for ours_weight, single_weight in zip(ours.weights, single.weights):
        assert ours_weight.dtype == "float32"
        assert_close(ours_weight, single_weight, 1e-4)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_weights_of_another_precision(dtype):
    """Not mixed: keras.layers.BatchNormalization takes these policies too."""
    ours, theirs = twins(SHAPES[0], dtype)
    x = tf.cast(batch(SHAPES[0]), dtype)
    expected = tf.cast(theirs(x, training=True), "float32")
    outputs = ours(x, training=True)
    assert outputs.dtype == ours.moving_variance.dtype == dtype
    tolerance = {"float16": 5e-3, "bfloat16": 4e-2, "float64": 1e-5}[dtype]
    assert_close(tf.cast(outputs, "float32"), expected, tolerance)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("training", [False, True])
def test_gradients_equal_keras(shape, training):
    x = tf.constant(batch(shape))
    # Weighted by fixed numbers: the plain sum has no gradient in training.
    weights = np.random.default_rng(2).normal(size=shape).astype("float32")
    gradients = []
    for layer in twins(shape):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(weights * layer(x, training=training) ** 2)
        variables = [x, layer.gamma.value, layer.beta.value]
        gradients.append(tape.gradient(loss, variables))
    for ours, theirs in zip(*gradients):
        assert np.abs(theirs).max() > 0.1
        assert_close(ours, theirs, 2e-4)


def test_one_value_per_channel():
    """A batch of one pixel has no unbiased variance; results stay finite."""
    ours, _ = twins((1, 1, 1, 6))
    ours(batch((1, 1, 1, 6)), training=True)
    assert np.isfinite(ours.get_weights()).all()


@pytest.mark.parametrize(
    "shape, training, fused",
    [
        (FUSED, True, True),
        (SHAPES[1], True, False),  # Its kernel is slow there.
        (SHAPES[1], False, True),
        ((None, None, None, 6), True, True),  # A row has no known length.
        ((None, 5, 3, 6), True, False),
    ],
)
def test_when_the_kernel_is_the_fused_one(shape, training, fused):
    ours, _ = twins(FUSED[:3] + shape[3:])
    step = tf.function(lambda x: ours(x, training=training))
    graph = step.get_concrete_function(tf.TensorSpec(shape)).graph
    operations = {operation.type for operation in graph.get_operations()}
    assert ("FusedBatchNormV3" in operations) == fused


def test_batches_of_any_number_by_rows():
    """The number of images is read when the step runs."""
    ours, theirs = twins(SHAPES[1])
    step = tf.function(lambda x: ours(x, training=True))
    spec = tf.TensorSpec((None, *SHAPES[1][1:]))
    step = step.get_concrete_function(spec)
    for images in (4, 7):
        x = batch((images, *SHAPES[1][1:]))
        assert_close(step(tf.constant(x)), theirs(x, training=True))
    assert_close(ours.moving_mean, theirs.moving_mean)


def test_config_round_trip():
    ours, _ = twins(SHAPES[0])
    twin = BatchNormalization.from_config(ours.get_config())
    assert twin.get_config() == ours.get_config()
    assert (twin.momentum, twin.epsilon) == (0.9, 1e-2)


@pytest.mark.parametrize("images", [1, 2, None])
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("slow", [True, False])
def test_graph_of_one_image(images, training, slow, monkeypatch):
    """TensorFlow would join the norm to a convolution, and be slow."""
    monkeypatch.setattr(batch_norm, "by_onednn", lambda: True)
    monkeypatch.setattr(batch_norm, "has_avx512", lambda: not slow)
    layer, theirs = twins(FUSED)
    function = tf.function(lambda x: layer(x, training=training))
    shape = (images, *FUSED[1:])
    graph = function.get_concrete_function(tf.TensorSpec(shape)).graph
    types = [operation.type for operation in graph.get_operations()]
    apart = slow and images == 1 and not training
    assert ("FusedBatchNormV3" in types) != apart
    x = batch((1, *FUSED[1:]))
    assert_close(function(x), theirs(x, training=training))
