"""Models made to take pixels of 0 to 255 and to give probabilities."""

from typing import Any

import keras

from nasnet_keras.model_files.contract import PIXELS, Contract, main_output
from nasnet_keras.model_files.copying import copy_weights
from nasnet_keras.model_files.functional import functional, with_input
from nasnet_keras.model_files.graph import RANGES, input_shape


def standardized(model: keras.Model, contract: Contract) -> keras.Model:
    """Returns a model that takes 0 to 255 and gives probabilities.

    Args:
        model: `keras.Model`.
        contract: Its `Contract`.

    Returns:
        `keras.Model` with one output `(batch, classes)`, or the model itself
        if it is one already. Layers are shared.
    """
    from_logits = contract.outputs == "logits"
    scaled = contract.input_range != PIXELS
    plain = hasattr(model, "operations") and len(model.outputs) == 1
    if plain and not scaled and not from_logits and contract.units > 1:
        return model
    inputs = _images(model)
    x = _rescaling(contract.input_range)(inputs) if scaled else inputs
    y = main_output(model(x))
    if from_logits:
        activation = "softmax" if contract.units > 1 else "sigmoid"
        y = keras.layers.Activation(activation, dtype="float32")(y)
    if contract.units == 1:
        y = keras.layers.Concatenate(dtype="float32")([1.0 - y, y])
    return keras.Model(inputs, y, name=model.name)


def with_preprocessing(model: keras.Model, taken: str) -> keras.Model:
    """Returns a copy of a model that takes 0 to 255, to be trained.

    Its layers stay layers of the model itself, so that cells can be frozen
    and the head replaced.

    Args:
        model: `keras.Model`, functional or sequential.
        taken: One of `RANGES`, which the model takes.
    """
    if taken == PIXELS:
        return model
    model, inputs = functional(model), _images(model)
    copy = with_input(model, inputs, _rescaling(taken)(inputs))
    copy_weights(model, copy)
    return copy


def _rescaling(taken):
    """The layer that makes a range of 0 to 255."""
    least, most = RANGES[taken]
    scale = (most - least) / 255
    return keras.layers.Rescaling(
        scale, least, dtype="float32", name="preprocessing"
    )


def _images(model: keras.Model) -> Any:
    """An input of the shape of a model's."""
    shape = input_shape(model)
    assert shape is not None  # The contract was found.
    return keras.Input(shape[1:])
