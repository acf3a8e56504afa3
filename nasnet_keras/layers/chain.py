"""Layers applied one after the other."""

from collections.abc import Iterable
from typing import Any

import keras

from nasnet_keras.layers.variables import add_to_checkpoints


class Chain(keras.Layer):
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
        for number, layer in enumerate(self.layers):
            add_to_checkpoints(self, layer, f"layer_{number}")

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
