"""Releasing the memory of networks."""

import gc

import keras


def free_memory() -> None:
    """Releases what a discarded model still holds.

    The session also holds settings of the caller. They stay: the next child
    computes in the same precision, on the same devices.
    """
    policy = keras.config.dtype_policy()
    distribution = keras.distribution.distribution()
    logging = keras.config.is_interactive_logging_enabled()
    filtering = keras.config.is_traceback_filtering_enabled()
    keras.utils.clear_session(free_memory=False)
    gc.collect()
    keras.config.set_dtype_policy(policy)
    if distribution is not None:
        keras.distribution.set_distribution(distribution)
    if not logging:
        keras.config.disable_interactive_logging()
    if not filtering:
        keras.config.disable_traceback_filtering()
