"""Formats that run here, a small network and images for it."""

import numpy as np

from nasnet_keras.deploy.exporting.formats import FORMATS as ALL_FORMATS
from tests.support.networks import small_network
from tests.support.sources import perturb_batch_norm

# Core ML runs on a Mac alone.
FORMATS = [format for format in ALL_FORMATS if format != "coreml"]
FILES = dict(zip(FORMATS, ("folder", "m.onnx", "m.xml", "m.tflite")))


def network(genotype=None, **arguments):
    defaults = {
        "filters": 2,
        "input_shape": (24, 24, 3),
        "include_preprocessing": "whiten",
    }
    model = small_network(genotype, **{**defaults, **arguments})
    perturb_batch_norm(model)
    return model


def colours(number, side=24):
    """Images of squares of one colour: they differ after pooling, too."""
    rng = np.random.default_rng(1)
    squares = rng.uniform(0, 255, (number, 4, 4, 3)).astype("float32")
    places = np.arange(side) * 4 // side
    return squares[:, places][:, :, places]
