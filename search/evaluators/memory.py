"""Releasing the memory of networks."""

import gc

import keras


def free_memory() -> None:
    """Releases what a discarded model still holds."""
    keras.utils.clear_session(free_memory=False)
    gc.collect()
