"""Whitening against TensorFlow's, and inside a network."""

import keras
import numpy as np
import pytest

from nasnet_keras import NASNet
from nasnet_keras.layers.whitening import Whitening

IMAGES = np.random.default_rng(0).uniform(0, 255, (3, 8, 6, 3))


def test_mean_and_deviation():
    white = np.asarray(Whitening()(IMAGES))
    np.testing.assert_allclose(white.mean((1, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(white.std((1, 2, 3)), 1, rtol=1e-5)


def test_an_image_of_one_colour_gives_zeros():
    white = np.asarray(Whitening()(np.full((1, 8, 8, 3), 200.0)))
    np.testing.assert_allclose(white, 0, atol=1e-3)


def test_equals_tensorflows():
    tf = pytest.importorskip("tensorflow")
    expected = tf.image.per_image_standardization(IMAGES.astype("float32"))
    np.testing.assert_allclose(Whitening()(IMAGES), expected, atol=1e-5)


def test_in_a_network():
    model = NASNet(
        cells_per_stack=1,
        filters=4,
        stem="cifar",
        classes=3,
        input_shape=(16, 16, 3),
        include_preprocessing="whiten",
    )
    layer = model.get_layer("preprocessing")
    assert isinstance(layer, Whitening)
    images = np.random.default_rng(0).uniform(0, 100, (2, 16, 16, 3))
    one = keras.ops.convert_to_numpy(model(images))
    other = keras.ops.convert_to_numpy(model(images * 2 + 10))
    np.testing.assert_allclose(one, other, atol=1e-4)


def test_error():
    with pytest.raises(ValueError, match=r"'whiten'.*='centre'"):
        NASNet(stem="cifar", include_preprocessing="centre")
