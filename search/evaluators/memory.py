"""Releasing the memory of networks."""

import gc

import keras

from nasnet_keras.search.evaluators.keras_state import (
    read_keras_state,
    set_keras_state,
)


def free_memory() -> None:
    """Releases what a discarded model still holds.

    The configuration of Keras, which `clear_session` would reset, stays.
    """
    state, distribution = read_keras_state(), keras.distribution.distribution()
    keras.utils.clear_session(free_memory=False)
    set_keras_state(state)
    keras.distribution.set_distribution(distribution)
    gc.collect()
