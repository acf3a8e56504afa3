"""Parameters and multiply-adds of a network that is never built.

The network is laid out as `nasnet_keras.networks.stacks` does it, but of counts in
place of layers. What a part of a cell costs is measured once, on a layer of
its own; after that a network takes a millisecond.
"""

import functools
from typing import NamedTuple

import keras

from nasnet_keras.cells.plan import CellPlan, make_chain
from nasnet_keras.layers.image_axes import join_shape
from nasnet_keras.networks.build import make_plan
from nasnet_keras.networks.stacks import Stacker, add_stacks, add_stem
from nasnet_keras.summary import totals


class Count(NamedTuple):
    """What a network, or a part of it, costs."""

    parameters: int
    macs: int


class _Map(NamedTuple):
    """Stands for a tensor: a square map of some channels."""

    side: int
    channels: int


def count(
    genotype,
    cells_per_stack,
    filters,
    side,
    classes,
    channels=3,
    **arguments,
):
    """Counts a network's parameters and multiply-adds without building it.

    Args:
        genotype: `Genotype`.
        cells_per_stack: Integer, N in the paper.
        filters: Integer, F of the first stack.
        side: Integer, of the square images.
        classes: Integer.
        channels: Integer, of the images.
        arguments: Of `nasnet_keras.NASNet`, those that decide what is below
            the classifier: `stem`, `macro`, ...

    Returns:
        `Count`: `parameters` (all, with moving statistics, as
        `count_params()`) and `macs` (of convolutions and the classifier for
        one image). Without auxiliary head.
    """
    plan = make_plan(genotype, cells_per_stack, filters, **arguments)
    stack = _CountingStacker(plan, _Map(side, channels))
    add_stem(stack, plan)
    add_stacks(stack, plan)
    weights = stack.states[-1].tensor.channels * classes
    bias = classes if plan.macro.classifier_bias else 0
    return Count(stack.parameters + weights + bias, stack.macs + weights)


class _CountingStacker(Stacker):
    """Lays count upon count."""

    def __init__(self, plan, inputs):
        super().__init__(plan, inputs)
        self.parameters = self.macs = 0

    def _spend(self, cost):
        self.parameters += cost.parameters
        self.macs += cost.macs

    def add_convolution(self, filters, strides, name, padding="same"):
        image = self.states[-1].tensor
        side = _halved(image.side, strides)
        if padding == "valid":
            side = (image.side - 3) // strides + 1
        weights = 9 * image.channels * filters
        # Batch norm has four numbers a channel.
        self._spend(Count(weights + 4 * filters, weights * side**2))
        self.add(f"{name}_bn", _Map(side, filters), strides)

    def add_relu(self, name):
        self.add(name, self.states[-1].tensor, 1)

    def add_cell(self, layer_class, cell, filters, name, hide_previous=False):
        states, input_strides = self.states_for(cell, hide_previous)
        maps = [state.tensor for state in states]
        strides, side = layer_class.strides, maps[0].side
        plan = CellPlan(
            cell,
            strides,
            filters,
            tuple(image.channels for image in maps),
            tuple(input_strides),
            self.plan.conventions,
        )
        made = _halved(side, strides)
        for parts, image in zip(plan.fits, maps):
            self._spend_chain(parts, image.side)
        for block, parts in zip(cell.blocks, plan.paths):
            for state, part in zip(block.inputs, parts):
                reads_input = state < cell.inputs
                self._spend_chain([part], side if reads_input else made)
        for parts in plan.merges:
            self._spend_chain(parts, made)
        for parts in plan.outs:
            self._spend_chain(parts, side)
        self.cells += 1
        self.add(name, _Map(made, filters * len(cell.concat)), strides)

    def _spend_chain(self, parts, side):
        for part in parts:
            self._spend(_cost(part, side))
            side = _halved(side, part.slot.strides)


def _halved(side, strides):
    return -(-side // strides)


@functools.cache
def _cost(part, side):
    """What one part costs on a map of a side: a layer of it is measured."""
    slot = part.slot
    data_format = slot.conventions.data_format
    shape = join_shape(None, side, side, slot.channels, data_format)
    inputs = keras.Input(shape[1:])
    outputs = make_chain([part])(inputs)
    return Count(*totals(keras.Model(inputs, outputs)))
