"""Computes once what is computed twice."""

import json
from typing import Any

import keras

from nasnet_keras.deploy.fusing.graph import Graph, Node, Place, rewrite


def share(graph: Graph) -> Graph:
    """Of equal operations on the same inputs one remains.

    For example the two `avg3(1)` of NASNet-A, and the ReLU with which several
    operations on a state begin.
    """
    known: dict[Any, Node] = {}

    def rule(node, uses):
        return known.setdefault(_key(node), node)

    return rewrite(graph, rule)


def _key(node):
    """Equal for operations that compute the same; the node itself if unsure."""
    inputs = tuple(map(id, node.inputs))
    if node.kind in ("relu", "add", "concat", "item"):
        settings = tuple(sorted(node.settings.items()))
        return node.kind, inputs, settings, getattr(node.policy, "name", None)
    if node.kind == "kept" and _is_stateless_layer(node):
        layer = node.settings["operation"]
        config = {k: v for k, v in layer.get_config().items() if k != "name"}
        text = json.dumps(config, sort_keys=True, default=repr)
        return type(layer), inputs, text
    return id(node)


def _is_stateless_layer(node):
    layer = node.settings["operation"]
    alone = node.settings["arguments"] == ((Place(0),), {})
    return isinstance(layer, keras.Layer) and not layer.variables and alone
