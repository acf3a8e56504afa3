"""Small networks for tests."""

import keras

import nasnet_keras
from tests.support.genotypes import ONE_BLOCK


def small_network(genotype=None, **arguments):
    """A network of the fewest cells that gives logits of three classes.

    Args:
        genotype: `Genotype`; `None` for `ONE_BLOCK`.
        arguments: Those of `NASNet`; `filters` and `input_shape` are needed.
    """
    defaults = {
        "cells_per_stack": 1,
        "stem": "cifar",
        "classes": 3,
        # Probabilities of random networks hardly differ.
        "classifier_activation": None,
    }
    keras.utils.set_random_seed(0)
    return nasnet_keras.NASNet(
        genotype or ONE_BLOCK, **{**defaults, **arguments}
    )
