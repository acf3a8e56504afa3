"""Networks and files of keras.applications, and the error against them."""

import h5py
import keras
import numpy as np

from tests.support.keras_internals import legacy_h5_format, nasnet

NORMALIZATION = ("gamma", "beta", "moving_mean", "moving_variance")


def small_keras_nasnet(seed, **arguments):
    """A small NASNet of keras.applications, with random weights."""
    keras.utils.set_random_seed(seed)
    return nasnet.NASNet(
        input_shape=(32, 32, 3),
        penultimate_filters=192,
        num_blocks=1,
        stem_block_filters=32,
        skip_reduction=False,
        filter_multiplier=2,
        weights=None,
        default_size=32,
        **arguments,
    )


def write_legacy_h5(model, path):
    """Writes a model's weights to a file like keras.applications'."""
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, model)


def perturb_batch_norm(model, seed=0):
    """Sets all batch-norm variables of a model to random values."""
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        name = variable.path.rsplit("/", 1)[-1]
        if name in NORMALIZATION:
            low, high = (
                (-0.3, 0.3) if name in ("beta", "moving_mean") else (0.7, 1.3)
            )
            variable.assign(rng.uniform(low, high, variable.shape))


def relative_error(actual, expected):
    """Largest difference, relative to the largest absolute expected value."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape, (actual.shape, expected.shape)
    return np.abs(actual - expected).max() / np.abs(expected).max()
