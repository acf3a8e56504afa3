"""Folds norms and activations into the convolutions before them."""

import numpy as np

from nasnet_keras.deploy.fusing.graph import Graph, rewrite
from nasnet_keras.layers.image_axes import channel_axis

CONVOLUTIONS = ("conv", "depthwise")


def fold_norms(graph: Graph) -> Graph:
    """A scale and a shift for each channel become kernel and bias."""

    def rule(node, uses):
        if node.kind != "affine":
            return node
        (before,) = node.inputs
        if uses[before] > 1 or not _same_policy(before, node):
            return node
        if _is_convolution(before, node.settings["axis"]):
            return _folded(before, node.arrays["scale"], node.arrays["shift"])
        if before.kind == "concat":
            return _folded_into_parts(before, node, uses)
        return node

    return rewrite(graph, rule)


def _folded_into_parts(concat, affine, uses):
    parts, axis = concat.inputs, affine.settings["axis"]
    if concat.settings["axis"] % 4 != axis % 4 or any(
        not _is_convolution(x, axis) or uses[x] > 1 for x in parts
    ):
        return affine
    ends = np.cumsum([_filters(x) for x in parts])[:-1]
    pieces = (
        np.split(affine.arrays[name], ends) for name in ("scale", "shift")
    )
    folded = tuple(_folded(*each) for each in zip(parts, *pieces))
    uses.update(folded)
    return concat.with_inputs(folded)


def _is_convolution(node, axis):
    """Whether it is one whose filters are along an axis."""
    if node.kind not in CONVOLUTIONS:
        return False
    return axis % 4 == channel_axis(node.settings["data_format"]) % 4


def _same_policy(first, second):
    return first.policy is None or first.policy.name == second.policy.name


def _filters(conv):
    kernel = conv.arrays["kernel"]
    if conv.kind == "depthwise":
        return kernel.shape[2] * kernel.shape[3]
    return kernel.shape[3]


def _folded(conv, scale, shift):
    kernel = conv.arrays["kernel"]
    # A depthwise kernel has channels and multipliers, a kernel filters last.
    last = kernel.shape[2:] if conv.kind == "depthwise" else (-1,)
    bias = conv.arrays.get("bias", 0.0) * scale + shift
    return conv.changed({"kernel": kernel * scale.reshape(last), "bias": bias})


def activate_parts(graph: Graph) -> Graph:
    """A ReLU of joined states becomes a ReLU of each of them.

    There it can become a part of the operation that gives the state: a
    convolution here, a sum in the runtimes that compute both at once.
    """

    def rule(node, uses):
        if node.kind != "relu":
            return node
        (joined,) = node.inputs
        plain = joined.kind == "concat" and _same_policy(joined, node)
        if not plain or uses[joined] > 1:
            return node
        parts = tuple(node.with_inputs((x,)) for x in joined.inputs)
        uses.update(parts)
        return joined.with_inputs(parts)

    return rewrite(graph, rule)


def fold_activations(graph: Graph) -> Graph:
    """A ReLU becomes a part of the convolution before it."""

    def rule(node, uses):
        if node.kind != "relu":
            return node
        (before,) = node.inputs
        if before.kind == "relu":
            return before
        active = before.settings.get("activation")
        foldable = before.kind in CONVOLUTIONS and _same_policy(before, node)
        if not foldable or (uses[before] > 1 and not active):
            return node
        return before.changed(activation="relu") if not active else before

    return rewrite(graph, rule)
