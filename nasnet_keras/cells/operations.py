"""The table of operations: name -> function that makes the layers.

It holds the operations of the paper (section 3) and of related networks. Users
add their own in the same way:

    @nasnet_keras.register_operation("conv_5x5")
    def conv_5x5(slot):
        return [keras.layers.ReLU(), slot.conv(5), slot.batch_norm()]
"""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import keras
from keras import ops

from nasnet_keras.cells.conventions import Conventions, Slot, as_conventions
from nasnet_keras.checks import integer
from nasnet_keras.layers.image_axes import divided, paddings, take
from nasnet_keras.layers.precision import policy_of

Operation = Callable[[Slot], list[keras.Layer]]

OPERATIONS: dict[str, Operation] = {}


def register_operation(name: str) -> Callable[[Operation], Operation]:
    """Decorator that adds an operation to the table.

    The decorated function takes a `Slot` and returns a list of Keras layers,
    applied in order; together they give `slot.filters` channels and divide
    the size by `slot.strides`, rounding up. Register the function before you
    load a saved model that uses it.

    Args:
        name: String, the operation's name in genotypes.

    Raises:
        ValueError: If the name is taken.
    """

    def register(function):
        if name in OPERATIONS:
            raise ValueError(f"The operation {name!r} is registered already.")
        OPERATIONS[name] = function
        return function

    return register


def check_operations(names: Iterable[str]) -> None:
    """Raises ValueError if one of `names` is not in the table."""
    unknown = [name for name in names if name not in OPERATIONS]
    if unknown:
        raise ValueError(
            f"Unknown operation(s): {', '.join(map(repr, unknown))}. Known: "
            f"{', '.join(OPERATIONS)}. Register your own with "
            "`nasnet_keras.register_operation(name)` before it is used."
        )


@keras.saving.register_keras_serializable(package="nasnet_keras")
class FactorizedReduction(keras.Layer):
    """Halves the size without losing every second pixel (TF-slim).

    Concatenates two 1x1 convolutions, each with half of the filters: one of
    every second pixel, one of the pixels to their bottom right. One batch norm
    follows.

    Args:
        filters: Integer, at least 2.
        conventions: `Conventions` of the network.

    Call arguments:
        inputs: Tensor, a batch of images.

    Raises:
        ValueError: If `filters` is below 2.
    """

    def __init__(
        self,
        filters: int,
        conventions: Conventions | dict[str, Any] = Conventions(),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        # It halves them.
        self.filters = filters = integer("filters", filters, 2)
        self.conventions = conventions = as_conventions(conventions)
        half = filters // 2
        # The attributes' names are keys in saved weights files.
        with policy_of(self):
            self.path_1 = conventions.conv(half, 1)
            self.path_2 = conventions.conv(filters - half, 1)
            self.norm = conventions.batch_norm()

    def build(self, input_shape):
        self.path_1.build(input_shape)
        self.path_2.build(input_shape)
        self.norm.build(self.compute_output_shape(input_shape))

    def call(self, inputs):
        # Pixels are selected before the convolutions, which do not stride:
        # see `_every_second_pixel`.
        data_format = self.conventions.data_format
        padded = ops.pad(inputs, paddings((0, 1), (0, 1), data_format))
        even, odd = slice(None, None, 2), slice(1, None, 2)
        paths = [
            self.path_1(take(inputs, even, even, data_format)),
            self.path_2(take(padded, odd, odd, data_format)),
        ]
        axis = self.conventions.channel_axis
        return self.norm(ops.concatenate(paths, axis=axis))

    def compute_output_shape(self, input_shape):
        return divided(
            input_shape, 2, self.filters, self.conventions.data_format
        )

    def get_config(self):
        config = super().get_config()
        config.update(
            filters=self.filters,
            conventions=dataclasses.asdict(self.conventions),
        )
        return config


@keras.saving.register_keras_serializable(package="nasnet_keras")
class Zeros(keras.Layer):
    """Replaces a batch of images by zeros.

    Args:
        filters: Integer, the channels of the output.
        channel_axis: Integer.
    """

    def __init__(
        self, filters: int, channel_axis: int = -1, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.filters = integer("filters", filters, 1)
        self.channel_axis = integer("channel_axis", channel_axis)

    def call(self, inputs):
        one = ops.mean(inputs, axis=self.channel_axis, keepdims=True)
        zeros = ops.zeros_like(one)
        return ops.repeat(zeros, self.filters, axis=self.channel_axis)

    def compute_output_shape(self, input_shape):
        shape = list(input_shape)
        shape[self.channel_axis] = self.filters
        return tuple(shape)

    def get_config(self):
        config = super().get_config()
        config.update(filters=self.filters, channel_axis=self.channel_axis)
        return config


@register_operation("identity")
def identity(slot: Slot) -> list[keras.Layer]:
    """The unchanged state; ReLU-1x1-BN if stride or channels change."""
    if slot.strides == 1 and slot.channels == slot.filters:
        return []
    return OPERATIONS["conv_1x1"](slot)


def _every_second_pixel(slot):
    """Halves the size; followed by a 1x1 convolution, it equals a strided one.

    A strided 1x1 convolution is avoided: in its gradient oneDNN, which torch
    uses on CPUs, writes past its workspace (oneDNN issue 6035).
    """
    return slot.conventions.pool("max", 1, 2)


def _conv_1x1(slot):
    chain = [keras.layers.ReLU(), slot.conv(1, strides=1), slot.batch_norm()]
    if slot.strides > 1:
        chain.insert(1, _every_second_pixel(slot))
    return chain


def _conv_3x3(slot):
    return [keras.layers.ReLU(), slot.conv(3), slot.batch_norm()]


def _asymmetric_conv(width):
    """1xN, then Nx1; each strides along its longer side."""

    def layers(slot):
        return [
            keras.layers.ReLU(),
            slot.conv((1, width), strides=(1, slot.strides)),
            slot.batch_norm(),
            keras.layers.ReLU(),
            slot.conv((width, 1), strides=(slot.strides, 1)),
            slot.batch_norm(),
        ]

    return layers


def _dilated_conv(kernel_size):
    """Dilation 2. At stride 2: a plain convolution of every second pixel."""

    def layers(slot):
        if slot.strides == 1:
            conv = [slot.conv(kernel_size, dilation_rate=2)]
        else:
            conv = [
                _every_second_pixel(slot),
                slot.conv(kernel_size, strides=1),
            ]
        return [keras.layers.ReLU(), *conv, slot.batch_norm()]

    return layers


def _separable_conv(kernel_size):
    """Applied twice; no normalization between depthwise and pointwise."""

    def layers(slot):
        chain = []
        for strides in (slot.strides, 1):
            chain += [
                keras.layers.ReLU(),
                slot.separable_conv(kernel_size, strides),
                slot.batch_norm(),
            ]
        return chain

    return layers


def _pool(kind, window):
    """No ReLU before; 1x1 and batch norm after if the channels change."""

    def layers(slot):
        chain = [slot.conventions.pool(kind, window, slot.strides)]
        if slot.channels != slot.filters:
            chain += [slot.conv(1, strides=1), slot.batch_norm()]
        return chain

    return layers


for _name, _function in {
    "conv_1x3_3x1": _asymmetric_conv(3),
    "conv_1x7_7x1": _asymmetric_conv(7),
    "dil_conv_3x3": _dilated_conv(3),
    "avg_pool_3x3": _pool("average", 3),
    "max_pool_3x3": _pool("max", 3),
    "max_pool_5x5": _pool("max", 5),
    "max_pool_7x7": _pool("max", 7),
    "conv_1x1": _conv_1x1,
    "conv_3x3": _conv_3x3,
    "sep_conv_3x3": _separable_conv(3),
    "sep_conv_5x5": _separable_conv(5),
    "sep_conv_7x7": _separable_conv(7),
}.items():
    register_operation(_name)(_function)

PAPER_OPERATIONS = tuple(OPERATIONS)


# Operations of related networks that differ from the paper's.


def _bottleneck(sides):
    """AmoebaNet: 1x1 to a quarter of the filters, convolutions, 1x1 back.

    Below four filters there is no bottleneck, as in the authors' code.
    """

    def layers(slot):
        quarter = slot.filters // 4
        kernels = [(side, _strides(slot, side)) for side in sides]
        if quarter:
            kernels = [(1, 1), *kernels, (1, 1)]
        chain = []
        for number, (side, strides) in enumerate(kernels, start=1):
            last = number == len(kernels)
            filters = slot.filters if last or not quarter else quarter
            chain += [
                keras.layers.ReLU(),
                slot.conv(side, strides, filters),
                slot.batch_norm(),
            ]
        return chain

    return layers


def _strides(slot, side):
    """Strides of a convolution: only along sides longer than 1."""
    if isinstance(side, int):
        return slot.strides
    return tuple(slot.strides if length > 1 else 1 for length in side)


def _dilated_separable_conv(kernel_size):
    """DARTS: as `_dilated_conv`, with one separable convolution."""

    def layers(slot):
        if slot.strides == 1:
            conv = [slot.separable_conv(kernel_size, dilation_rate=2)]
        else:
            conv = [
                _every_second_pixel(slot),
                slot.separable_conv(kernel_size, strides=1),
            ]
        return [keras.layers.ReLU(), *conv, slot.batch_norm()]

    return layers


def _skip_connect(slot):
    """DARTS: identity; at stride 2 ReLU and a factorized reduction."""
    if slot.strides == 1:
        return identity(slot)
    return [
        keras.layers.ReLU(),
        FactorizedReduction(slot.filters, slot.conventions),
    ]


def _factorized_identity(slot):
    """ENAS: identity; at stride 2 a factorized reduction."""
    if slot.strides == 1:
        return identity(slot)
    return [FactorizedReduction(slot.filters, slot.conventions)]


def _linear_conv_1x1(slot):
    """TF-slim: adjusts an input state to a cell's output, no ReLU."""
    return OPERATIONS["conv_1x1"](slot)[1:]


def _group_norm(groups):
    """NASNet-B and C: layer norm (1 group) or instance norm (-1)."""

    def layers(slot):
        norm = slot.conventions.group_norm(groups)
        return (
            [norm] if slot.strides == 1 else [_every_second_pixel(slot), norm]
        )

    return layers


def _none(slot):
    """NAS-Bench-201: zeros."""
    zeros = Zeros(slot.filters, slot.conventions.channel_axis)
    return [zeros] if slot.strides == 1 else [_every_second_pixel(slot), zeros]


for _name, _function in {
    "none": _none,
    "linear_conv_1x1": _linear_conv_1x1,
    "layer_norm": _group_norm(1),
    "instance_norm": _group_norm(-1),
    "max_pool_2x2": _pool("max", 2),
    "bottleneck_conv_3x3": _bottleneck([3]),
    "bottleneck_conv_1x7_7x1": _bottleneck([(1, 7), (7, 1)]),
    "dil_sep_conv_3x3": _dilated_separable_conv(3),
    "dil_sep_conv_5x5": _dilated_separable_conv(5),
    "skip_connect": _skip_connect,
    "factorized_identity": _factorized_identity,
}.items():
    register_operation(_name)(_function)
