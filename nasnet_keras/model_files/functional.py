"""`Sequential` models as functional ones, to be frozen and given a head."""

from collections.abc import Callable, Iterator
from typing import Any

import keras

from nasnet_keras.model_files.contract import main_output
from nasnet_keras.model_files.copying import copy_weights
from nasnet_keras.model_files.graph import input_shape


def functional(model: keras.Model) -> keras.Model:
    """Returns a functional copy of a `Sequential`; other models as they are.

    Models inside it are taken apart, so that their cells and classifiers can
    be reached. It need not have been called.

    Args:
        model: `keras.Model` with one input, whose shape is known.

    Returns:
        A `keras.Model` with the same outputs; of several the main one.
    """
    if not isinstance(model, keras.Sequential):
        return model
    shape = input_shape(model)
    assert shape is not None  # `square_images` refuses such a model.
    inputs = x = keras.Input(shape[1:])
    copies: list[tuple[Any, Any]] = []

    def copy(layer: Any) -> Any:
        copies.append((layer, type(layer).from_config(layer.get_config())))
        return copies[-1][1]

    for layer in _flat(model):
        if isinstance(layer, keras.Model) and hasattr(layer, "operations"):
            x = _taken_apart(layer, inputs, x, copy)
        else:
            x = copy(layer)(x)
    for layer, new in copies:
        if getattr(layer, "weights", ()):
            copy_weights(layer, new)
    return keras.Model(inputs, x, name=model.name)


def _flat(model: keras.Sequential) -> Iterator[Any]:
    for layer in model.layers:
        if isinstance(layer, keras.Sequential):
            yield from _flat(layer)
        else:
            yield layer


def _taken_apart(
    model: keras.Model, inputs: Any, x: Any, copy: Callable[[Any], Any]
) -> Any:
    """The output of a copy of each layer of a model, called on `x`."""
    return main_output(with_input(model, inputs, x, copy).output)


def with_input(
    model: keras.Model,
    inputs: Any,
    x: Any,
    copy: Callable[[Any], Any] | None = None,
) -> keras.Model:
    """Returns a copy of a functional model, called on other images.

    Args:
        model: Functional `keras.Model` with one input.
        inputs: Keras tensor, the input of the copy.
        x: Keras tensor computed from `inputs`, which the layers take that
            took the model's input.
        copy: Optional function that copies a layer; without its weights by
            default.
    """

    def call(layer, *args, **kwargs):
        args, kwargs = keras.tree.map_structure(
            lambda value: x if value is inputs else value, (args, kwargs)
        )
        return layer(*args, **kwargs)

    return keras.models.clone_model(
        model,
        input_tensors=keras.tree.map_structure(lambda _: inputs, model.input),
        clone_function=copy,
        call_function=call,
    )
