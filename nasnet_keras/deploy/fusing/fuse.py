"""Fuses a network for inference: fewer operations, the same outputs."""

import keras

from nasnet_keras.checks import integer
from nasnet_keras.deploy.fusing.fold import (
    activate_parts,
    fold_activations,
    fold_norms,
)
from nasnet_keras.deploy.fusing.read import is_functional, read_graph
from nasnet_keras.deploy.fusing.share import share
from nasnet_keras.deploy.fusing.widen import widen
from nasnet_keras.deploy.fusing.write import write_model
from nasnet_keras.layers.variables import shared_names
from nasnet_keras.model_files.graph import input_shape, input_tensors

PASSES = (share, fold_norms, activate_parts, share, fold_activations)


def fuse(model: keras.Model, multiple: int = 1) -> keras.Model:
    """Returns a model with the same outputs that computes them faster.

    For inference alone: what does something only in training is left out.
    Batch norms become a part of the convolutions before them, operations that
    are equal are computed once, an activation is a part of its convolution.
    The result consists of Keras' own layers, and of ours for pooling and
    padding; it does not train, and has no cells.

    Args:
        model: `keras.Model`, functional or sequential: a network of the zoo,
            one with a head of its own, or one that `nasnet train`, `retrain`
            or `search` made. It is not changed.
        multiple: Integer. Convolutions get zeros behind their filters up to
            the next multiple, where these are at most half as many again: with
            16 NASNet Mobile is 1.3 times as fast in ONNX Runtime. With 1 they
            stay as they are.

    Returns:
        `keras.Model` with the inputs and outputs of `model`, in their order,
        on any backend. Its outputs differ by rounding: by less than 1e-4 of
        the largest.

    Raises:
        ValueError: If the model is neither functional nor sequential, a
            sequential one does not know the shape of its input, or `multiple`
            is below 1.
    """
    multiple = integer("multiple", multiple, 1)
    if isinstance(model, keras.Sequential):
        model = _functional(model)
    if not is_functional(model):
        raise ValueError(
            "`model` must be a functional or sequential keras.Model: the "
            "operations of another class are not known. Received: "
            f"model={model!r}"
        )
    graph = read_graph(model)
    for each in PASSES:
        graph = each(graph)
    if multiple > 1:
        graph = widen(graph, multiple)
    with shared_names():
        return write_model(graph)


def _functional(model: keras.Sequential) -> keras.Model:
    """A functional model around a sequential one, with its layers."""
    shape = input_shape(model)
    if shape is None:
        raise ValueError(
            "`model` must know the shape of its input: call it once, or begin "
            f"it with keras.Input. Received: model={model!r}"
        )
    (tensor,) = keras.tree.flatten(input_tensors(model))
    inputs = keras.Input(
        batch_shape=shape, dtype=tensor.dtype, name=tensor.name
    )
    return keras.Model(inputs, model(inputs), name=model.name)
