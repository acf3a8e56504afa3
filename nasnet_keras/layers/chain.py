"""Layers applied one after the other."""

from collections.abc import Iterable
from typing import Any

import keras

from nasnet_keras.layers.checkpoints import InCheckpoints


class Chain(InCheckpoints, keras.Layer):
    """Layers applied one after the other; an empty chain is the identity.

    Like `keras.Sequential`, but a plain layer: a network has hundreds, and
    models take longer to make. The cell that owns a chain builds and saves it.

    Args:
        layers: List of Keras layers.
    """

    def __init__(self, layers: Iterable[keras.Layer], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # The attribute's name is a key in saved weights files.
        self.layers = list(layers)

    def layers_in_lists(self):
        """Returns the layers, by their position."""
        return {f"layer_{i}": layer for i, layer in enumerate(self.layers)}

    def build(self, input_shape):
        for layer in self.layers:
            if not layer.built:
                layer.build(input_shape)
            input_shape = layer.compute_output_shape(input_shape)

    def call(self, inputs):
        for layer in self.layers:
            inputs = layer(inputs)
        return inputs

    def compute_output_shape(self, input_shape):
        for layer in self.layers:
            input_shape = layer.compute_output_shape(input_shape)
        return input_shape
