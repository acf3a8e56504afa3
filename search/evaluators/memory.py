"""Letting go of networks."""

import gc

import keras


def free_memory():
    """Lets go of what a discarded model still holds."""
    keras.utils.clear_session(free_memory=False)
    gc.collect()
