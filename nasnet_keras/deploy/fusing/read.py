"""Reads the graph of a Keras model, down to single operations."""

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from nasnet_keras.cells import NormalCell, ReductionCell
from nasnet_keras.cells.operations import FactorizedReduction
from nasnet_keras.deploy.fusing.graph import Graph, Node, Place
from nasnet_keras.layers.batch_norm import BatchNormalization
from nasnet_keras.layers.chain import Chain
from nasnet_keras.layers.convolutions import Conv2D, SeparableConv2D
from nasnet_keras.layers.drop_path import DropPath
from nasnet_keras.layers.precision import policy_of

# They change nothing but in training.
TRAINING_ONLY = (
    DropPath,
    layers.ActivityRegularization,
    layers.AlphaDropout,
    layers.Dropout,
    layers.GaussianDropout,
    layers.GaussianNoise,
    layers.Identity,
    layers.SpatialDropout2D,
)


def read_graph(model: keras.Model) -> Graph:
    """Returns the graph of a functional model.

    Cells, chains and models inside it are taken apart. An operation that is
    not known is kept as it is.

    Args:
        model: Functional `keras.Model`. It is not changed.
    """
    inputs = keras.tree.map_structure(
        lambda x: Node("input", (), x.name, {"tensor": x}), model.input
    )
    return Graph(inputs, _run(model, inputs), model.name)


def _run(model, inputs):
    """Reads a functional model, given nodes for its inputs."""

    def read(operation, *args, **kwargs):
        return _Reader(operation.name).read(operation, *args, **kwargs)

    # Private, see `nasnet_keras.layers.walk`.
    return model._run_through_graph(keras.tree.flatten(inputs), call_fn=read)


def is_functional(model: Any) -> bool:
    """Returns whether a model computes what its graph shows."""
    return (
        isinstance(model, keras.Model)
        and isinstance(model, keras.Function)
        and type(model).call.__qualname__ == "Functional.call"
    )


class _Reader:
    """Reads one layer of a model and what is inside it.

    Args:
        name: String, the name of what is read.
        policy: Dtype policy of functions, which have none of their own.
    """

    def __init__(self, name: str, policy: Any = None):
        self.name = name
        self.policy = policy

    def read(self, operation: Any, *args: Any, **kwargs: Any) -> Any:
        """Returns nodes for what an operation gives.

        Args:
            operation: Layer, operation or function of `keras.ops`.
            args: Its arguments, with nodes in place of tensors.
            kwargs: Its arguments by name.
        """
        kwargs = {
            name: value
            for name, value in kwargs.items()
            if name != "training" and (name, value) != ("mask", None)
        }
        # By its class, exactly: one that inherits may compute something else.
        known = _READERS.get(type(operation)) or _FUNCTIONS.get(operation)
        if is_functional(operation):
            known = _Reader.model
        if getattr(operation, "quantization_mode", None):
            known = None
        if known and not kwargs:
            found = known(self, operation, *args)
            if found is not None:
                return found
        return self.keep(operation, args, kwargs)

    def inside(self, name: str) -> "_Reader":
        """Returns the reader of a layer inside this one."""
        return _Reader(f"{self.name}_{name}", self.policy)

    def keep(self, operation, args, kwargs):
        nodes: list[Node] = []

        def place(value):
            if not isinstance(value, Node):
                return value
            nodes.append(value)
            return Place(len(nodes) - 1)

        arguments = keras.tree.map_structure(place, (args, kwargs))
        kept = self.node(
            "kept", tuple(nodes), operation=operation, arguments=arguments
        )
        outputs = _number_of_outputs(operation)
        if outputs == 1:
            return kept
        return [self.node("item", (kept,), number=n) for n in range(outputs)]

    def node(self, kind, inputs, layer=None, arrays=None, **settings):
        policy = self.policy if layer is None else layer.dtype_policy
        return Node(kind, inputs, self.name, settings, arrays or {}, policy)

    # What is taken apart.

    def model(self, model, inputs):
        return _run(model, inputs)

    def sequential(self, model, x):
        for layer in model.layers:
            x = self.inside(layer.name).read(layer, x)
        return x

    def chain(self, chain, x):
        for number, layer in enumerate(chain.layers):
            x = self.inside(str(number)).read(layer, x)
        return x

    def cell(self, cell, inputs):
        def apply(operation, *args):
            is_layer = isinstance(operation, layers.Layer)
            name = operation.name if is_layer else operation.__name__
            return self.inside(name).read(operation, *args)

        self.policy = cell.dtype_policy
        return cell.connect(inputs, apply)

    def factorized_reduction(self, layer, x):
        self.policy = layer.dtype_policy
        with policy_of(layer):
            # No convolution strides, see `_every_second_pixel` of the cells.
            pool = layer.conventions.pool("max", 1, 2)
        states = {
            "path_1": self.inside("pool").keep(pool, (x,), {}),
            "path_2": self.inside("shifted").shifted_pixels(layer.path_2, x),
        }
        paths = [
            self.inside(name).conv(getattr(layer, name), state)
            for name, state in states.items()
        ]
        axis = layer.conventions.channel_axis
        joined = self.concatenate(None, paths, axis)
        return self.inside("norm").batch_norm(layer.norm, joined)

    def shifted_pixels(self, conv, x):
        """Every second pixel from the second on; zeros behind an odd side.

        A convolution takes them: OpenVINO and ONNX Runtime change the order of
        all numbers to pad and crop images, and back.
        """
        kernel = np.zeros((2, 2, conv.kernel.shape[2], 1))
        kernel[1, 1] = 1
        settings = {**_conv_settings(conv), "strides": (2, 2)}
        settings["padding"] = "same"
        return self.node(
            "depthwise", (x,), conv, {"kernel": kernel}, **settings
        )

    # Single operations.

    def conv(self, layer, x):
        settings = _conv_settings(layer, groups=layer.groups)
        arrays = {"kernel": _array(layer.kernel), **_bias(layer)}
        return self._activated(layer, x, "conv", settings, arrays)

    def depthwise(self, layer, x):
        arrays = {"kernel": _array(layer.kernel), **_bias(layer)}
        settings = _conv_settings(layer)
        return self._activated(layer, x, "depthwise", settings, arrays)

    def separable(self, layer, x):
        kernel = {"kernel": _array(layer.depthwise_kernel)}
        settings = _conv_settings(layer)
        x = self.inside("depthwise").node(
            "depthwise", (x,), layer, kernel, **settings
        )
        settings = {
            "strides": (1, 1),
            "padding": "valid",
            "dilation_rate": (1, 1),
            "groups": 1,
            "data_format": layer.data_format,
        }
        arrays = {"kernel": _array(layer.pointwise_kernel), **_bias(layer)}
        return self._activated(layer, x, "conv", settings, arrays)

    def _activated(self, layer, x, kind, settings, arrays):
        if layer.activation not in (
            keras.activations.linear,
            keras.activations.relu,
        ):
            return None
        found = self.node(kind, (x,), layer, arrays, **settings)
        if layer.activation is keras.activations.relu:
            found = self.node("relu", (found,), layer)
        return found

    def dense(self, layer, x):
        arrays = {"kernel": _array(layer.kernel), **_bias(layer)}
        activation = layer.activation
        return self.node("dense", (x,), layer, arrays, activation=activation)

    def batch_norm(self, layer, x):
        scale = 1 / np.sqrt(_array(layer.moving_variance) + layer.epsilon)
        if layer.scale:
            scale = scale * _array(layer.gamma)
        shift = -_array(layer.moving_mean) * scale
        if layer.center:
            shift = shift + _array(layer.beta)
        arrays = {"scale": scale, "shift": shift}
        return self.node("affine", (x,), layer, arrays, axis=layer.axis)

    def relu(self, layer, x):
        plain = layer.max_value is None
        if not plain or layer.negative_slope or layer.threshold:
            return None
        return self.node("relu", (x,), layer)

    def activation(self, layer, x):
        if layer.activation is not keras.activations.relu:
            return None
        return self.node("relu", (x,), layer)

    def add(self, _, left, right):
        return self.node("add", (left, right))

    def add_layer(self, layer, inputs):
        return self.node("add", tuple(inputs), layer)

    def concatenate(self, _, inputs, axis):
        return self.node("concat", tuple(inputs), axis=axis)

    def concatenate_layer(self, layer, inputs):
        return self.node("concat", tuple(inputs), layer, axis=layer.axis)


_READERS = {
    keras.Sequential: _Reader.sequential,
    Chain: _Reader.chain,
    NormalCell: _Reader.cell,
    ReductionCell: _Reader.cell,
    FactorizedReduction: _Reader.factorized_reduction,
    layers.Conv2D: _Reader.conv,
    Conv2D: _Reader.conv,
    layers.DepthwiseConv2D: _Reader.depthwise,
    layers.SeparableConv2D: _Reader.separable,
    SeparableConv2D: _Reader.separable,
    layers.Dense: _Reader.dense,
    layers.BatchNormalization: _Reader.batch_norm,
    BatchNormalization: _Reader.batch_norm,
    layers.ReLU: _Reader.relu,
    layers.Activation: _Reader.activation,
    layers.Add: _Reader.add_layer,
    layers.Concatenate: _Reader.concatenate_layer,
    **{layer: (lambda self, _, x: x) for layer in TRAINING_ONLY},
}
_FUNCTIONS = {ops.add: _Reader.add, ops.concatenate: _Reader.concatenate}


def _array(variable):
    """In double precision: rounded once, when everything is folded."""
    return keras.ops.convert_to_numpy(variable).astype("float64")


def _bias(layer):
    return {"bias": _array(layer.bias)} if layer.use_bias else {}


def _conv_settings(layer, **more):
    return {
        "strides": tuple(layer.strides),
        "padding": layer.padding,
        "dilation_rate": tuple(layer.dilation_rate),
        "data_format": layer.data_format,
        **more,
    }


def _number_of_outputs(operation):
    try:
        return len(keras.tree.flatten(operation.output))
    except (AttributeError, ValueError):  # A layer inside another one.
        return 1
