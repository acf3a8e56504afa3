"""Copies of models compute what their sources do."""

import keras
import numpy as np
import pytest

from nasnet_keras.deploy import fuse
from nasnet_keras.model_files.functional import functional
from nasnet_keras.model_files.precision import in_single_precision
from nasnet_keras.model_files.standard import with_preprocessing
from tests.support.policies import with_policy


def images():
    return (
        np.random.default_rng(0).normal(40, 9, (4, 8, 8, 3)).astype("float32")
    )


def normalized():
    """A model whose first layer knows the means of its images."""
    norm = keras.layers.Normalization(dtype="float32")
    norm.adapt(images())
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3)(norm(inputs))
    return keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(x))


def sequential():
    return keras.Sequential([*normalized().layers])


COPIES = {
    "fused": (normalized, fuse),
    "fused, sequential": (sequential, fuse),
    "functional": (sequential, functional),
    "another range": (normalized, lambda m: with_preprocessing(m, "0..1")),
    "single precision": (
        lambda: with_policy("mixed_bfloat16", normalized),
        in_single_precision,
    ),
}


@pytest.mark.parametrize("how", COPIES)
def test_an_adapted_normalization(how):
    make, copied = COPIES[how]
    model, x = make(), images()
    copy = copied(model)
    assert copy is not model
    scale = 255 if how == "another range" else 1
    ours = keras.ops.convert_to_numpy(copy(scale * x)).astype("float32")
    theirs = keras.ops.convert_to_numpy(model(x)).astype("float32")
    error = 0.05 if how == "single precision" else 1e-4
    np.testing.assert_allclose(ours, theirs, rtol=error, atol=error)
    assert abs(theirs).max() < 5  # Not normalized, they were near 40.
