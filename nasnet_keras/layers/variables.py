"""Variables that TensorFlow makes in less time."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras


@contextlib.contextmanager
def shared_names() -> Iterator[None]:
    """Variables made inside the block do not have the path in their names.

    TensorFlow looks for a new kernel for each variable with another name,
    which takes a third of the time in which a network is built. Keras has
    paths of its own; this concerns only the names of TensorFlow's variables.
    """
    if keras.backend.backend() != "tensorflow":
        yield
        return
    import tensorflow as tf

    def create(next_creator: Any, **kwargs: Any) -> Any:
        # In graphs, variables of one name would be one.
        if tf.compat.v1.executing_eagerly_outside_functions():
            # A slash at the end: without the names around it.
            kwargs["name"] = f"{kwargs.get('name') or 'variable'}/"
        return next_creator(**kwargs)

    with tf.variable_creator_scope(create):
        yield
