"""What only TensorFlow wants to know of variables."""

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


class InCheckpoints:
    """Lets `tf.train.Checkpoint` find the layers that a layer has in lists.

    TensorFlow does not see what is in Keras' lists, and says nothing of it.
    """

    def layers_in_lists(self) -> dict[str, keras.Layer]:
        """Returns them by name, the same in each run."""
        raise NotImplementedError

    def _trackable_children(
        self, save_type: str = "checkpoint", **kwargs: Any
    ) -> dict[str, Any]:
        children = super()._trackable_children(save_type, **kwargs)  # type: ignore[misc]
        if save_type == "checkpoint":
            children |= self.layers_in_lists()
        return children
