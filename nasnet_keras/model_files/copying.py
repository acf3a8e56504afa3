"""Weights of a copy of a layer or model."""

import keras

from nasnet_keras.layers.walk import all_layers


def copy_weights(source: keras.Layer, copy: keras.Layer) -> None:
    """Gives a copy, made from the configuration, the weights of its source.

    Args:
        source: Built `keras.Layer` or `keras.Model`. It is not changed.
        copy: Built one of the same configuration.
    """
    copy.set_weights(source.get_weights())
    for layer in all_layers(copy):
        # It computes with constants that it makes of its weights.
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()
