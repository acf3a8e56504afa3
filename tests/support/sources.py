"""Other implementations' networks and files, and how far ours are from them."""

import h5py
import numpy as np

NORMALIZATION = ("gamma", "beta", "moving_mean", "moving_variance")


def write_legacy_h5(model, path):
    """Writes a model's weights as keras.applications' files have them."""
    from keras.src.legacy.saving import legacy_h5_format

    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, model)


def perturb_batch_norm(model, seed=0):
    """Moves all batch-norm variables of a model away from 0 and 1."""
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
