"""Layers in lists, for the checkpoints of TensorFlow."""

from typing import Any

import keras


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
