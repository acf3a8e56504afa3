"""Counts parameters and multiply-adds of a network without building it.

Follows `nasnet_keras.networks.stacks`, with sizes in place of tensors. The
costs of each part of a cell are measured once, on a model of that part alone;
counting a network then takes a millisecond.
"""

import functools
from typing import NamedTuple

import keras

from nasnet_keras.cells.plan import CellPlan, make_chain
from nasnet_keras.checks import integer
from nasnet_keras.layers.costs import Row, totals
from nasnet_keras.layers.image_axes import LARGEST_SIDE, join_shape
from nasnet_keras.layers.padding import padded_side
from nasnet_keras.networks.config import NetworkConfig
from nasnet_keras.networks.stacks import Stacker, add_stacks, add_stem


class Count(NamedTuple):
    """The costs of a network or of a part of it."""

    parameters: int
    macs: int


class _Map(NamedTuple):
    """The size of a square feature map, in place of a tensor."""

    side: int
    channels: int


def count(config: NetworkConfig, side: int, channels: int = 3) -> Count:
    """Counts a network's parameters and multiply-adds without building it.

    Args:
        config: `NetworkConfig`. Its auxiliary head is left out.
        side: Integer, height and width of the images in pixels.
        channels: Integer, of the images.

    Returns:
        `Count`: `parameters` (all, with moving statistics, as
        `count_params()`) and `macs` (of convolutions and the classifier for
        one image).
    """
    rows = count_layers(config, side, channels)
    return Count(
        sum(row.parameters for row in rows), sum(row.macs for row in rows)
    )


def count_layers(
    config: NetworkConfig, side: int, channels: int = 3
) -> list[Row]:
    """Counts each layer of a network without building it.

    Args: see `count`.

    Returns:
        List of `Row`, equal to `nasnet_keras.summary.summarize` of the
        network, without its auxiliary head.
    """
    side = integer("side", side, 1, LARGEST_SIDE)
    channels = integer("channels", channels, 1)
    if config.aligned and config.has_stem_cells:
        side = padded_side(side)
    stack = _CountingStacker(config, _Map(side, channels))
    add_stem(stack)
    add_stacks(stack)
    if config.include_top:
        stack.add_classifier()
    return stack.rows


class _CountingStacker(Stacker):
    """Records the costs of each layer instead of building it."""

    def __init__(self, config, inputs):
        super().__init__(config, inputs)
        self.rows = []

    def _record(self, name, image, parameters, macs):
        data_format = self.conventions.data_format
        shape = join_shape(
            None, image.side, image.side, image.channels, data_format
        )[1:]
        self.rows.append(Row(name, shape, parameters, macs))

    def add_convolution(self, filters, strides, name, padding="same"):
        image = self.states[-1].tensor
        side = _divided(image.side, strides)
        if padding == "valid":
            side = (image.side - 3) // strides + 1
        output = _Map(side, filters)
        weights = 9 * image.channels * filters
        self._record(f"{name}_conv", output, weights, weights * side**2)
        # Batch normalization has four weights per channel.
        self._record(f"{name}_bn", output, 4 * filters, 0)
        self.add(f"{name}_bn", output, strides)

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
            self.conventions,
        )
        output = _Map(_divided(side, strides), filters * len(cell.concat))
        costs = list(_cell_costs(plan, maps, output.side))
        parameters = sum(cost.parameters for cost in costs)
        self._record(name, output, parameters, sum(cost.macs for cost in costs))
        self.cells += 1
        self.add(name, output, strides)

    def add_classifier(self):
        channels, classes = self.states[-1].tensor.channels, self.config.classes
        weights = channels * classes
        bias = classes if self.config.family.classifier_bias else 0
        self.rows.append(
            Row("predictions", (classes,), weights + bias, weights)
        )


def _cell_costs(plan, maps, output_side):
    """Yields the costs of each part of a cell."""
    side = maps[0].side
    for parts, image in zip(plan.input_adjustments, maps):
        yield from _chain_costs(parts, image.side)
    for block, parts in zip(plan.cell.blocks, plan.paths):
        for state, part in zip(block.inputs, parts):
            reads_input = state < plan.cell.inputs
            yield from _chain_costs(
                [part], side if reads_input else output_side
            )
    for parts in plan.merges:
        yield from _chain_costs(parts, output_side)
    for parts in plan.output_adjustments:
        yield from _chain_costs(parts, side)


def _chain_costs(parts, side):
    for part in parts:
        yield _part_cost(part, side)
        side = _divided(side, part.slot.strides)


def _divided(side, strides):
    return -(-side // strides)


@functools.cache
def _part_cost(part, side):
    """Measures a part on square maps, as a model of its own."""
    slot = part.slot
    data_format = slot.conventions.data_format
    shape = join_shape(None, side, side, slot.channels, data_format)
    inputs = keras.Input(shape[1:])
    outputs = make_chain([part])(inputs)
    return Count(*totals(keras.Model(inputs, outputs)))
