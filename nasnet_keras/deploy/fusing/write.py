"""Makes a Keras model of a graph."""

from collections.abc import Iterator
from typing import Any

import keras
from keras import layers

from nasnet_keras.deploy.fusing.graph import Graph, Node, Place
from nasnet_keras.model_files.copying import copy_weights


def write_model(graph: Graph) -> keras.Model:
    """Returns a functional model, which does not train, of plain layers."""
    writer = _Writer()
    for node in graph.nodes():
        writer.write(node)
    model = keras.Model(
        keras.tree.map_structure(writer.tensors.get, graph.inputs),
        keras.tree.map_structure(writer.tensors.get, graph.outputs),
        name=graph.name,
    )
    model.trainable = False
    return model


class _Writer:
    """Makes the layers of nodes.

    Attributes:
        tensors: Dictionary, node -> what its layer gives.
    """

    def __init__(self):
        self.tensors: dict[Node, Any] = {}
        self._names: set[str] = set()
        self._copies: dict[int, Any] = {}

    def write(self, node: Node) -> None:
        """Makes a node's layer and calls it."""
        inputs = [self.tensors[x] for x in node.inputs]
        self.tensors[node] = getattr(self, f"_{node.kind}")(node, *inputs)

    def _input(self, node):
        tensor = node.settings["tensor"]
        name = self._name(node)
        return keras.Input(
            batch_shape=tensor.shape, dtype=tensor.dtype, name=name
        )

    def _conv(self, node, x):
        kernel = node.arrays["kernel"]
        return self._called(
            node,
            layers.Conv2D,
            x,
            filters=kernel.shape[3],
            kernel_size=kernel.shape[:2],
            kernel_initializer="zeros",
        )

    def _depthwise(self, node, x):
        kernel = node.arrays["kernel"]
        return self._called(
            node,
            layers.DepthwiseConv2D,
            x,
            kernel_size=kernel.shape[:2],
            depth_multiplier=kernel.shape[3],
            depthwise_initializer="zeros",
        )

    def _dense(self, node, x):
        units = node.arrays["kernel"].shape[1]
        zeros = {"kernel_initializer": "zeros"}
        return self._called(node, layers.Dense, x, units=units, **zeros)

    def _called(self, node, layer_class, x, **arguments):
        layer = layer_class(
            **node.settings,
            **arguments,
            use_bias="bias" in node.arrays,
            **self._common(node),
        )
        result = layer(x)
        names = [name for name in ("kernel", "bias") if name in node.arrays]
        layer.set_weights([node.arrays[name] for name in names])
        return result

    def _affine(self, node, x):
        # Without epsilon: one that is not folded is computed as it was read.
        layer = layers.BatchNormalization(
            axis=node.settings["axis"], epsilon=0.0, **self._common(node)
        )
        result = layer(x)
        layer.gamma.assign(node.arrays["scale"])
        layer.beta.assign(node.arrays["shift"])
        return result

    def _relu(self, node, x):
        return layers.ReLU(**self._common(node))(x)

    def _add(self, node, *inputs):
        return layers.Add(**self._common(node))(list(inputs))

    def _concat(self, node, *inputs):
        layer = layers.Concatenate(**node.settings, **self._common(node))
        return layer(list(inputs))

    def _kept(self, node, *inputs):
        def fill(value):
            return inputs[value.number] if isinstance(value, Place) else value

        arguments = node.settings["arguments"]
        args, kwargs = keras.tree.map_structure(fill, arguments)
        operation = node.settings["operation"]
        copy = self._copies.get(id(operation))
        if copy is not None:
            return copy(*args, **kwargs)
        config = {**operation.get_config(), "name": self._name(node)}
        copy = type(operation).from_config(config)
        self._copies[id(operation)] = copy
        result = copy(*args, **kwargs)
        if isinstance(operation, keras.Layer) and operation.variables:
            copy_weights(operation, copy)
        return result

    def _item(self, node, outputs):
        return keras.tree.flatten(outputs)[node.settings["number"]]

    def _common(self, node):
        return {"name": self._name(node), "dtype": node.policy}

    def _name(self, node):
        names = _numbered(node.name)
        name = next(name for name in names if name not in self._names)
        self._names.add(name)
        return name


def _numbered(name: str) -> Iterator[str]:
    yield name
    number = 1
    while True:
        yield f"{name}_{number}"
        number += 1
