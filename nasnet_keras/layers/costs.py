"""Parameters and multiply-adds of a model, layer by layer."""

import contextlib
import functools
import math
from typing import NamedTuple

import keras

from nasnet_keras.layers.image_axes import split_shape
from nasnet_keras.layers.walk import all_layers

MULTIPLYING = (
    keras.layers.Conv2D,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv2D,
    keras.layers.Dense,
)


class Row(NamedTuple):
    """A layer of a model, and its costs."""

    name: str
    output_shape: tuple
    parameters: int
    macs: int


def summarize(model, input_shape=None):
    """Counts parameters and multiply-adds of each layer of a model.

    Multiply-adds are those of convolutions and dense layers for one image, as
    the paper counts them; batch norm, pooling and additions are left out.

    Args:
        model: `keras.Model` with one image input.
        input_shape: Tuple `(height, width, channels)` to count for. Defaults
            to that of the model.

    Returns:
        List of `Row`, for the layers that have parameters, in order. Sums
        give the model's totals.

    Raises:
        ValueError: If neither the model nor `input_shape` fixes the size.
    """
    shape = tuple(input_shape or model.input_shape[1:])
    if None in shape:
        raise ValueError(
            f"The model takes images of any size {shape}: give `input_shape`, "
            "for which to count the multiply-adds."
        )
    calls = _output_shapes(model, shape)
    return [
        Row(
            name=layer.name,
            output_shape=calls[id(layer)][-1][1:],
            parameters=layer.count_params(),
            macs=sum(
                _macs(leaf, output_shape)
                for leaf in all_layers(layer)
                if isinstance(leaf, MULTIPLYING)
                for output_shape in calls[id(leaf)]
            ),
        )
        for layer in model.layers
        if layer.weights
    ]


def _output_shapes(model, input_shape):
    """Returns a dictionary: id of layer -> output shape of each call."""
    calls = {}
    with contextlib.ExitStack() as stack:
        for layer in all_layers(model):
            if layer is not model:
                shapes = calls[id(layer)] = []
                stack.enter_context(_recording(layer, shapes))
        _Trace(model).compute_output_spec(keras.KerasTensor((1, *input_shape)))
    return calls


class _Trace(keras.Layer):
    """Runs a model on shapes alone."""

    def __init__(self, model):
        super().__init__()
        self._run = model.call

    def call(self, inputs):
        return self._run(inputs)


@contextlib.contextmanager
def _recording(layer, shapes):
    """Records the output shape of each call of a layer."""
    original = layer.call

    @functools.wraps(original)
    def call(*args, **kwargs):
        output = original(*args, **kwargs)
        if hasattr(output, "shape"):
            shapes.append(tuple(output.shape))
        return output

    layer.call = call
    try:
        yield
    finally:
        del layer.call


def _macs(layer, output_shape):
    kernels = sum(
        math.prod(variable.shape)
        for variable in layer.weights
        if len(variable.shape) > 1
    )
    if isinstance(layer, keras.layers.Dense):
        return kernels
    _, height, width, _ = split_shape(output_shape, layer.data_format)
    return kernels * height * width


def totals(model, input_shape=None):
    """Returns parameters and multiply-adds of a model, see `summarize`."""
    rows = summarize(model, input_shape)
    return sum(row.parameters for row in rows), sum(row.macs for row in rows)
