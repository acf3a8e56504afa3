"""A network as a graph of operations with their weights."""

import collections
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np


@dataclasses.dataclass(frozen=True)
class Place:
    """Stands for an input of a node in the arguments of its operation."""

    number: int


@dataclasses.dataclass(frozen=True, eq=False)
class Node:
    """An operation and what it reads. Two nodes are equal if they are one.

    Args:
        kind: String, see below.
        inputs: Tuple of nodes.
        name: String, of the layer to be made; need not be unique.
        settings: Dictionary of arguments, for each kind its own.
        arrays: Dictionary of NumPy arrays, its weights.
        policy: Dtype policy of the layer; `None` for Keras' own.

    Kinds:
        `"input"`: `tensor`, the Keras tensor of the model.
        `"conv"`: `kernel`, `bias`; `strides`, `padding`, `dilation_rate`,
            `groups`, `data_format`, `activation`.
        `"depthwise"`: the same without `groups`.
        `"dense"`: `kernel`, `bias`; `activation`.
        `"affine"`: `scale` and `shift` for each channel; `axis`.
        `"relu"`, `"add"`; `"concat"` with `axis`.
        `"kept"`: any other operation of Keras, as it is: `operation`, and
            `arguments`, in which a `Place` stands for each input.
        `"item"`: one of several outputs of a kept one; `number`.
    """

    kind: str
    inputs: tuple["Node", ...]
    name: str
    settings: dict[str, Any] = dataclasses.field(default_factory=dict)
    arrays: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    policy: Any = None

    def with_inputs(self, inputs: tuple["Node", ...]) -> "Node":
        """Returns the node if it reads these, else a copy that does."""
        same = len(inputs) == len(self.inputs)
        if same and all(a is b for a, b in zip(inputs, self.inputs)):
            return self
        return dataclasses.replace(self, inputs=inputs)

    def changed(
        self, arrays: dict[str, np.ndarray] | None = None, **settings: Any
    ) -> "Node":
        """Returns a copy with other settings or arrays."""
        return dataclasses.replace(
            self,
            settings={**self.settings, **settings},
            arrays={**self.arrays, **(arrays or {})},
        )


@dataclasses.dataclass(frozen=True)
class Graph:
    """A network.

    Args:
        inputs: Nodes in the structure of the model's inputs.
        outputs: Nodes in that of its outputs.
        name: String, the model's name.
    """

    inputs: Any
    outputs: Any
    name: str

    def nodes(self) -> list[Node]:
        """Returns what the outputs need, each after what it reads."""
        ordered: dict[Node, None] = {}
        waiting = list(
            reversed(keras.tree.flatten((self.inputs, self.outputs)))
        )
        while waiting:
            node = waiting[-1]
            missing = [x for x in node.inputs if x not in ordered]
            if missing:
                waiting += reversed(missing)
            else:
                ordered[waiting.pop()] = None
        return list(ordered)

    def uses(self) -> collections.Counter:
        """Returns how often each node is read; an output counts as read."""
        read: Iterator[Node] = (x for n in self.nodes() for x in n.inputs)
        return collections.Counter([*read, *keras.tree.flatten(self.outputs)])


Rule = Callable[[Node, collections.Counter], Node]


def rewrite(graph: Graph, rule: Rule) -> Graph:
    """Returns a graph in which a rule replaced each node.

    Args:
        graph: `Graph`.
        rule: Function of a node, whose inputs have been replaced, and of how
            often each node is read that replaced one. Returns the node that
            takes its place.
    """
    uses = graph.uses()
    new: dict[Node, Node] = {}
    new_uses: collections.Counter = collections.Counter()
    for node in graph.nodes():
        moved = node.with_inputs(tuple(new[x] for x in node.inputs))
        new[node] = rule(moved, new_uses)
        new_uses[new[node]] += uses[node]
    return Graph(
        keras.tree.map_structure(new.get, graph.inputs),
        keras.tree.map_structure(new.get, graph.outputs),
        graph.name,
    )
