"""What the graph of a model shows: which pixels it takes, what it gives.

The topology is read from `get_config()`, which also names operations that are
no layers, such as `x / 127.5`. Models inside a model are looked into.
"""

import inspect
import itertools
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from nasnet_keras.layers.image_axes import join_shape, split_shape
from nasnet_keras.layers.walk import all_layers
from nasnet_keras.layers.whitening import Whitening

RANGES = {"0..255": (0.0, 255.0), "0..1": (0.0, 1.0), "-1..1": (-1.0, 1.0)}
# What preprocessing makes of pixels, unless it standardizes them.
TARGETS = ((0.0, 1.0), (-1.0, 1.0), (-0.5, 0.5), (0.0, 255.0))
# They end in what they are given: probabilities stay probabilities.
PASSING = (
    keras.layers.Average,
    keras.layers.Dropout,
    keras.layers.Flatten,
    keras.layers.GlobalAveragePooling2D,
    keras.layers.Identity,
    keras.layers.Reshape,
)


def image_format(model: Any) -> str:
    """Returns the data format of a model's images.

    It is that of its layers, which a saved model keeps; Keras' own setting
    where no layer has one.
    """
    layers = all_layers(model) if isinstance(model, keras.Layer) else []
    formats = (getattr(layer, "data_format", None) for layer in layers)
    known = (f for f in formats if f in ("channels_first", "channels_last"))
    return next(known, keras.config.image_data_format())


def input_shape(model: keras.Model) -> tuple | None:
    """Returns the shape of a model's input; `None` if it is not known.

    A `Sequential` that was never called has that of its first model.
    """
    try:
        return model.input_shape
    except AttributeError:
        shapes = (input_shape(layer) for layer in getattr(model, "layers", ()))
        return next((shape for shape in shapes if shape), None)


def input_tensors(model: keras.Model) -> Any:
    """Returns the symbolic inputs of a model, in its own structure.

    A `Sequential` has one; if it was never called and knows no shape, that of
    its first model.
    """
    if not isinstance(model, keras.Sequential):
        return model.input
    return model.inputs[0] if model.built else input_tensors(model.layers[0])


def input_range(model: keras.Model) -> str | None:
    """Returns the pixels that a model's own preprocessing takes.

    The operations before the first weights are applied to images of one
    colour, until it shows for which of `RANGES` they are.

    Args:
        model: `keras.Model` with one input.

    Returns:
        One of `RANGES`; `None` if there is no preprocessing, or it does not
        show for which range it is.
    """
    shape = input_shape(model)
    if shape is None or len(shape) != 4:
        return None
    _, height, width, channels = split_shape(shape, image_format(model))
    sizes = join_shape(
        *(3, height or 32, width or 32, channels or 3), image_format(model)
    )
    levels = np.arange(3, dtype="float32").reshape(3, 1, 1, 1)
    values = np.broadcast_to(levels, sizes)
    for operation in _first_operations(model):
        if isinstance(operation, Whitening):
            return "0..255"  # Of any range; ours are trained on these.
        if not _is_preprocessing(operation):
            break
        values = _applied(operation, values)
        if found := _range_of(values.reshape(3, -1).astype("float64")):
            return found
    return None


def _first_operations(model: Any) -> Iterator[Any]:
    """The operations one after the other, while each feeds just one."""
    if isinstance(model, keras.Sequential):
        operations = model.layers
    else:
        operations = _chain(model)
    for operation in operations:
        if isinstance(operation, keras.Model):
            yield from _first_operations(operation)
            return  # What comes after it is no preprocessing.
        yield operation


def _chain(model: Any) -> Iterator[Any]:
    sources, outputs = _topology(model)
    by_name = {each.name: each for each in _operations(model)}
    inputs = [name for name in by_name if not sources.get(name)]
    while len(inputs) == 1:
        (name,) = inputs
        if sources.get(name):
            yield by_name[name]
        inputs = [
            each
            for each, found in sources.items()
            if name in (source for source, _ in found)
        ]
        if any(name == output for output, _ in outputs):
            return


def _operations(model: Any) -> list[Any]:
    return list(getattr(model, "operations", ()))


def _topology(model: Any) -> tuple[dict[str, list], list]:
    """Operation -> names and output numbers of those that it reads; outputs."""
    if not _operations(model):  # It is no functional model.
        return {}, []
    config = model.get_config()
    sources = {
        layer["name"]: _histories(layer["inbound_nodes"])
        for layer in config.get("layers", ())
    }
    return sources, _places(config.get("output_layers", []))


def _histories(nodes: Any) -> list[tuple[str, int]]:
    """Names and output numbers of the tensors in a layer's `inbound_nodes`."""
    if isinstance(nodes, dict):
        if nodes.get("class_name") == "__keras_tensor__":
            name, _, number = nodes["config"]["keras_history"]
            return [(name, number)]
        nodes = list(nodes.values())
    if not isinstance(nodes, (list, tuple)):
        return []
    return [found for node in nodes for found in _histories(node)]


def _places(outputs: Any) -> list[tuple[str, int]]:
    """The same of `output_layers`: one `[name, node, number]`, or several."""
    if isinstance(outputs, dict):
        names = sorted(outputs, key=lambda name: name != "predictions")
        outputs = [outputs[name] for name in names]
    if outputs and isinstance(outputs[0], str):
        outputs = [outputs]
    return [(name, number) for name, _, number in outputs]


def _is_preprocessing(operation: Any) -> bool:
    if isinstance(operation, keras.layers.Normalization):
        return True
    padding = "Pad" in type(operation).__name__  # Borders have other values.
    has_weights = bool(getattr(operation, "weights", ()))
    several = isinstance(getattr(operation, "input", None), (list, tuple))
    return not (padding or has_weights or several)


def _applied(operation: Any, values: np.ndarray) -> np.ndarray:
    if not isinstance(operation, keras.Layer):
        operation = keras.Function(operation.input, operation.output)
        return keras.ops.convert_to_numpy(operation(values))
    takes = inspect.signature(operation.call).parameters
    training = {"training": False} if "training" in takes else {}
    return keras.ops.convert_to_numpy(operation(values, **training))


def _range_of(values: np.ndarray) -> str | None:
    """The range for which preprocessing is that makes `values` of 0, 1, 2."""
    offset, scale = values[0], values[1] - values[0]
    linear = np.allclose(values[2], offset + 2 * scale, rtol=1e-3, atol=1e-3)
    if not linear or not scale.all():
        return None
    if np.allclose(scale, 1, atol=1e-3):
        return None  # All ranges stay as wide as they are.
    for fits in (_is_scaled, _is_standardized):
        found = [name for name in RANGES if fits(*RANGES[name], scale, offset)]
        if found:
            return found[0] if len(found) == 1 else None
    return None


def _is_scaled(least, most, scale, offset):
    """Whether the range becomes one of `TARGETS`."""
    ends = np.sort([least * scale + offset, most * scale + offset], axis=0)
    return any(
        (np.abs(ends - np.array(target)[:, None]) < 0.02 * np.ptp(target)).all()
        for target in TARGETS
    )


def _is_standardized(least, most, scale, offset):
    """Whether images of this range can have the mean and deviation removed."""
    mean, deviation = -offset / scale, 1 / np.abs(scale)
    inside = (least < mean) & (mean < most)
    wide = deviation >= 0.02 * (most - least)
    # No distribution on an interval has a larger variance.
    possible = deviation**2 <= (mean - least) * (most - mean)
    return bool((inside & wide & possible).all())


def last_operations(model: Any) -> set[str]:
    """Returns the names of the operations that end a model.

    Those that make the outputs: back to the last layers with weights, the
    classifiers, and on to what pools and drops out before these.

    Args:
        model: `keras.Model`, functional or sequential.
    """
    if isinstance(model, keras.Sequential):
        names = [layer.name for layer in model.layers]
        sources: dict[str, list] = {
            name: [(before, 0)] for before, name in itertools.pairwise(names)
        }
        outputs, operations = [(names[-1], 0)] if names else [], model.layers
    else:
        sources, outputs = _topology(model)
        operations = _operations(model)
    with_weights = {x.name for x in operations if getattr(x, "weights", ())}
    found: set[str] = set()
    waiting = [(name, False) for name, _ in outputs]
    while waiting:
        name, after_classifier = waiting.pop()
        if after_classifier and name in with_weights:
            continue
        found.add(name)
        after_classifier |= name in with_weights
        before = (source for source, _ in sources.get(name, ()))
        waiting += [(each, after_classifier) for each in before]
    return found


def final_activation(model: Any, number: int = 0) -> str:
    """Returns the activation with which a model ends.

    Args:
        model: `keras.Model`.
        number: Integer, which of its outputs.

    Returns:
        String: `"softmax"`, `"sigmoid"`, `"linear"`, ... ; of an operation
        that has no activation its class, in lower case.
    """
    if isinstance(model, keras.Sequential):
        layers = [x for x in model.layers if not isinstance(x, PASSING)]
        return _activation(layers[-1]) if layers else "unknown"
    sources, outputs = _topology(model)
    if not outputs:
        return "unknown"
    by_name = {each.name: each for each in _operations(model)}
    return _activation_at(by_name, sources, *outputs[number])


def _activation_at(by_name, sources, name, number):
    operation = by_name[name]
    if isinstance(operation, keras.Model):
        return final_activation(operation, number)
    if isinstance(operation, PASSING) or _is_linear(operation):
        found = {
            _activation_at(by_name, sources, *source)
            for source in sources[name]
        }
        return found.pop() if len(found) == 1 else "unknown"
    return _activation(operation)


def _is_linear(operation):
    return (
        isinstance(operation, keras.layers.Activation)
        and operation.activation is keras.activations.linear
    )


def _activation(operation):
    if isinstance(operation, keras.Model):
        return final_activation(operation)
    function = getattr(operation, "activation", None)
    if function is not None:
        return getattr(function, "__name__", "unknown").lower()
    return type(operation).__name__.lower()
