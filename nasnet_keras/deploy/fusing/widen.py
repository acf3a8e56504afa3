"""Adds channels of zeros, for which some runtimes have faster kernels.

Vector units compute 8 or 16 channels at a time. ONNX Runtime has kernels for
multiples of 16 alone, and others, which are slower, for NASNet Mobile's 44. A
channel of zeros stays zero: its kernels and biases are zeros, which ReLU,
pooling and sums leave as they are. The classifier multiplies it by zero.
"""

from typing import NamedTuple

import keras
import numpy as np
from keras import layers

from nasnet_keras.deploy.fusing.graph import Graph, Node, rewrite
from nasnet_keras.layers.pooling import Pooling

# A convolution gets no more than so many times its filters.
MOST = 1.5
# They compute each channel alone, and zero from zeros.
BY_CHANNEL = (
    Pooling,
    layers.AveragePooling2D,
    layers.Cropping2D,
    layers.GlobalAveragePooling2D,
    layers.GlobalMaxPooling2D,
    layers.MaxPooling2D,
    layers.ZeroPadding2D,
)


class Segment(NamedTuple):
    """Channels that come from convolutions, side by side.

    Args:
        real: Integer, the channels of the model.
        wide: Integer, these and the zeros behind them.
        sources: Set of the convolutions that give them.
    """

    real: int
    wide: int
    sources: frozenset


Layout = tuple[Segment, ...]


def widen(graph: Graph, multiple: int) -> Graph:
    """Adds channels of zeros wherever nothing outside the graph sees them.

    Args:
        graph: `Graph`.
        multiple: Integer; the filters of convolutions become the next multiple.
    """
    plan = _Plan(graph, multiple)
    while plan.changed:
        plan.lay_out()
    return rewrite(graph, _Widener(graph, plan.layouts).rule)


class _Plan:
    """Finds how wide each convolution may become.

    Attributes:
        kept: Set of the convolutions that stay as they are.
        padded: Dictionary, convolution -> zeros behind its filters, where
            these do not make it the next multiple.
        layouts: Dictionary, node -> its segments; `None` if its channels are
            not known one by one.
        changed: Whether the last layouts showed that a width must change.
    """

    def __init__(self, graph, multiple):
        self.graph = graph
        self.multiple = multiple
        self.kept: set[Node] = set()
        self.padded: dict[Node, int] = {}
        self.layouts: dict[Node, Layout | None] = {}
        self.changed = True
        self._channels = _channel_axes(graph)

    def lay_out(self):
        """Follows the channels through the graph."""
        self.changed, self.layouts = False, {}
        for node in self.graph.nodes():
            self.layouts[node] = self._layout(node)
        for node in keras.tree.flatten(self.graph.outputs):
            self._expose(node)

    def _layout(self, node):
        found = [self.layouts[x] for x in node.inputs]
        if node.kind in ("conv", "dense"):
            return self._of_weights(node)
        if None not in found:
            if self._is_by_channel(node):
                return found[0]
            if node.kind == "add" and (same := self._of_sum(found)):
                return same
            if node.kind == "concat" and self._is_along_channels(node):
                return tuple(x for layout in found for x in layout)
        for each in node.inputs:
            self._expose(each)
        return None

    def _is_by_channel(self, node):
        if node.kind == "kept":
            return type(node.settings["operation"]) in BY_CHANNEL
        if node.kind == "depthwise":
            return node.arrays["kernel"].shape[3] == 1
        if node.kind == "affine":
            return self._is_along_channels(node)
        return node.kind == "relu"

    def _is_along_channels(self, node):
        return node.settings["axis"] in self._channels

    def _of_weights(self, node):
        filters = node.arrays["kernel"].shape[-1]
        width = filters
        if node.settings.get("groups", 1) > 1:
            self._expose(node.inputs[0])
        elif node.kind == "conv":
            zeros = self.padded.get(node, self._zeros(filters))
            width = filters if node in self.kept else filters + zeros
        return (Segment(filters, width, frozenset([node])),)

    def _zeros(self, filters):
        zeros = -filters % self.multiple
        return zeros if filters + zeros <= MOST * filters else 0

    def _of_sum(self, layouts):
        """The layout of a sum, whose parts must have the same."""
        if len({sum(s.real for s in layout) for layout in layouts}) > 1:
            return None
        shapes = [_shape(layout) for layout in layouts]
        if any(shape != shapes[0] for shape in shapes):
            self._agree(layouts)
        shortest = min(layouts, key=len)
        if all(len(layout) == len(shortest) for layout in layouts):
            return tuple(map(_united, zip(*layouts)))
        if len(shortest) > 1:
            return None
        return (_united([shortest[0], *(layout[-1] for layout in layouts)]),)

    def _agree(self, layouts):
        """Zeros shall be behind the last segments alone, in all as many."""
        lasts = [layout[-1] for layout in layouts]
        # Of whole states: what is joined of halves fits itself to them.
        whole = [layout[0] for layout in layouts if len(layout) == 1]
        zeros = max(s.wide - s.real for s in whole or lasts)
        if any(self.kept.intersection(s.sources) for s in lasts):
            zeros = 0
        for *parts, last in layouts:
            for part in parts:
                self._keep(part)
            self._pad(last, zeros)

    def _expose(self, node):
        """What follows sees each channel: there may be no others."""
        for segment in self.layouts[node] or ():
            if segment.wide > segment.real:
                self._keep(segment)

    def _keep(self, segment):
        for source in segment.sources - self.kept:
            self.kept.add(source)
            self.changed = True

    def _pad(self, segment, zeros):
        """Puts so many zeros behind the convolutions of a segment."""
        if not zeros:
            self._keep(segment)
        elif segment.wide != segment.real + zeros:
            for source in segment.sources:
                if source in self.padded:  # It is needed otherwise elsewhere.
                    self._keep(segment)
                self.padded[source] = zeros
                self.changed = True


def _united(segments):
    """One segment of the sources of all, which are equal otherwise."""
    sources = frozenset().union(*(s.sources for s in segments))
    return Segment(segments[0].real, segments[0].wide, sources)


def _shape(layout):
    """Where the zeros are, however the channels are divided."""
    shape: list[tuple[int, int]] = []
    for real, wide, _ in layout:
        if shape and shape[-1][0] == shape[-1][1]:
            before, _ = shape.pop()
            real, wide = before + real, before + wide
        shape.append((real, wide))
    return shape


def _channel_axes(graph):
    """How layers name the axis of the channels of images."""
    known = (node.settings.get("data_format") for node in graph.nodes())
    formats = set(filter(None, known))
    axes = {"channels_last": (-1, 3), "channels_first": (1, -3)}
    return axes[formats.pop()] if len(formats) == 1 else ()


class _Widener:
    def __init__(self, graph, layouts):
        self.layouts = layouts
        self.originals = iter(graph.nodes())

    def rule(self, node, uses):
        # The nodes come in the order of the graph.
        original = next(self.originals)
        arrays = dict(node.arrays)
        if not arrays:
            return node
        if node.kind in ("conv", "dense"):
            before = self.layouts[original.inputs[0]]
            axis = 2 if node.kind == "conv" else 0
            arrays["kernel"] = _spread(arrays["kernel"], axis, before)
            after = self.layouts[original]
            for name, value in arrays.items():
                arrays[name] = _spread(value, -1, after)
        else:
            layout = self.layouts[original.inputs[0]]
            for name, value in arrays.items():
                axis = 2 if name == "kernel" else -1
                arrays[name] = _spread(value, axis, layout)
        return node.changed(arrays)


def _spread(array, axis, layout):
    """Puts zeros behind each segment of an axis."""
    if layout is None or all(s.real == s.wide for s in layout):
        return array
    ends = np.cumsum([s.real for s in layout])[:-1]
    parts = np.split(array, ends, axis)
    axis %= array.ndim
    padded = [
        np.pad(
            part,
            [
                (0, s.wide - s.real if place == axis else 0)
                for place in range(array.ndim)
            ],
        )
        for part, s in zip(parts, layout)
    ]
    return np.concatenate(padded, axis)
