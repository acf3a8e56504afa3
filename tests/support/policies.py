"""Models made under a dtype policy."""

import keras


def with_policy(policy, make):
    """Returns what a function makes while Keras has a dtype policy."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        return make()
    finally:
        keras.config.set_dtype_policy(before)
