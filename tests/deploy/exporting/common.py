"""Formats that run here, a small network and images for it."""

import keras
import numpy as np

import nasnet_keras
from nasnet_keras.deploy.exporting.formats import FORMATS as ALL_FORMATS
from nasnet_keras.genotypes import Block, Cell, Genotype
from tests.support.sources import perturb_batch_norm

# Core ML runs on a Mac alone.
FORMATS = [format for format in ALL_FORMATS if format != "coreml"]
FILES = dict(zip(FORMATS, ("folder", "m.onnx", "m.xml", "m.tflite")))
CELL = Cell([Block((0, 1), ("sep_conv_3x3", "avg_pool_3x3"))], (2,), 2)
REDUCTION = Cell([Block((0, 1), ("conv_1x1", "skip_connect"))], (2, 0), 2)


def network(genotype=None, **arguments):
    defaults = {
        "cells_per_stack": 1,
        "filters": 2,
        "stem": "cifar",
        "classes": 3,
        "input_shape": (24, 24, 3),
        "include_preprocessing": "whiten",
        # Probabilities of random networks hardly differ.
        "classifier_activation": None,
    }
    genotype = genotype or Genotype(CELL, REDUCTION)
    keras.utils.set_random_seed(0)
    model = nasnet_keras.NASNet(genotype, **{**defaults, **arguments})
    perturb_batch_norm(model)
    return model


def colours(number, side=24):
    """Images of squares of one colour: they differ after pooling, too."""
    rng = np.random.default_rng(1)
    squares = rng.uniform(0, 255, (number, 4, 4, 3)).astype("float32")
    places = np.arange(side) * 4 // side
    return squares[:, places][:, :, places]
