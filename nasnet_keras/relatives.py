"""The operations of NASNet's relatives, where they differ from the paper's.

Importing this module registers them.
"""

import keras

from nasnet_keras.operations import (
    FactorizedReduction,
    every_second_pixel,
    pool,
    register_operation,
)


def _bottleneck(sides):
    """AmoebaNet: 1x1 to a quarter of the filters, the convolutions, 1x1 back.

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
    """A convolution strides along the sides that it spans."""
    if isinstance(side, int):
        return slot.strides
    return tuple(slot.strides if length > 1 else 1 for length in side)


def _dilated_separable_conv(kernel_size):
    """DARTS: once; dilation 2. Strided, only even pixels count."""

    def layers(slot):
        if slot.strides == 1:
            conv = [slot.separable_conv(kernel_size, dilation_rate=2)]
        else:
            conv = [
                every_second_pixel(slot),
                slot.separable_conv(kernel_size, strides=1),
            ]
        return [keras.layers.ReLU(), *conv, slot.batch_norm()]

    return layers


def _skip_connect(slot):
    """DARTS: the state itself; ReLU and a factorized reduction at stride 2."""
    if slot.strides == 1:
        return []
    return [
        keras.layers.ReLU(),
        FactorizedReduction(slot.filters, slot.conventions),
    ]


def _factorized_identity(slot):
    """ENAS: the state itself; a factorized reduction at stride 2."""
    return _skip_connect(slot)[1:]


for _name, _function in {
    "max_pool_2x2": pool("max", 2),
    "bottleneck_conv_3x3": _bottleneck([3]),
    "bottleneck_conv_1x7_7x1": _bottleneck([(1, 7), (7, 1)]),
    "dil_sep_conv_3x3": _dilated_separable_conv(3),
    "dil_sep_conv_5x5": _dilated_separable_conv(5),
    "skip_connect": _skip_connect,
    "factorized_identity": _factorized_identity,
}.items():
    register_operation(_name)(_function)
