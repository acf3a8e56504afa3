"""The plan of a cell: its operations and their slots, without layers.

`nasnet_keras.cells.cell` makes the layers; `nasnet_keras.networks.counting`
only counts.
"""

import dataclasses
import functools
import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import keras

from nasnet_keras.cells.conventions import Conventions, Slot
from nasnet_keras.cells.operations import OPERATIONS, check_operations
from nasnet_keras.genotypes import Cell
from nasnet_keras.layers.chain import Chain

# A block's combination -> the operation applied to its result.
MERGES = {
    "concat": "conv_1x1",
    "add_layer_norm": "layer_norm",
    "add_instance_norm": "instance_norm",
}


class Part(NamedTuple):
    """An operation, by name, and its slot."""

    operation: str
    slot: Slot

    def layers(self) -> list[keras.Layer]:
        """Returns new layers of the operation."""
        check_operations([self.operation])
        return OPERATIONS[self.operation](self.slot)


def make_chain(parts: Iterable[Part], **kwargs: Any) -> Chain:
    """Returns a new layer that applies parts one after the other."""
    return Chain([layer for p in parts for layer in p.layers()], **kwargs)


@dataclasses.dataclass(frozen=True)
class CellPlan:
    """The parts of a cell, given the channels of its inputs.

    Args:
        cell: `nasnet_keras.Cell`.
        strides: 1, or 2 for a reduction.
        filters: Integer, the channels of every state inside the cell.
        channels: Tuple of integers, the channels of each input state; if
            there are fewer than the cell reads, the unchanged current state
            replaces the missing ones.
        input_strides: Tuple of integers, see `NormalCell`.
        conventions: `Conventions`.
    """

    cell: Cell
    strides: int
    filters: int
    channels: tuple
    input_strides: tuple
    conventions: Conventions

    def _slot(self, channels, strides=1):
        return Slot(channels, self.filters, strides, self.conventions)

    @functools.cached_property
    def state_channels(self) -> tuple[int, ...]:
        """The channels of each state; of inputs, after adjustment."""
        adjusted = [
            self.filters if parts else count
            for parts, count in zip(self.input_adjustments, self.channels)
        ]
        missing = self.cell.inputs - len(self.channels)
        adjusted += [self.channels[0]] * missing
        return (*adjusted, *[self.filters] * len(self.cell.blocks))

    @functools.cached_property
    def input_adjustments(self) -> list[list[Part]]:
        """For each input state, the parts that give it the cell's size and
        channels."""
        return [
            self._adjust_input(*state) for state in enumerate(self.channels)
        ]

    def _adjust_input(self, index, channels):
        read = {state for b in self.cell.blocks for state in b.inputs}
        if index not in read.union(self.cell.concat):
            return []  # Nothing reads it.
        halvings = int(math.log2(self.input_strides[index]))
        same = channels == self.filters and not self.conventions.always_project
        if halvings:
            operation, times, strides = "skip_connect", halvings, 2
        elif index and same:
            return []
        else:
            once = index or channels == self.filters
            times = 1 if once else self.conventions.current_projections
            operation, strides = "conv_1x1", 1
        counts = [channels] + [self.filters] * (times - 1)
        return [Part(operation, self._slot(n, strides)) for n in counts]

    @property
    def paths(self) -> list[list[Part]]:
        """For each block, its left and its right operation."""
        return [
            [
                Part(
                    operation,
                    self._slot(
                        self.state_channels[state],
                        self.strides if state < self.cell.inputs else 1,
                    ),
                )
                for state, operation in zip(block.inputs, block.operations)
            ]
            for block in self.cell.blocks
        ]

    @property
    def merges(self) -> list[list[Part]]:
        """For each block, the parts after the sum or the concatenation."""
        merges = []
        for block in self.cell.blocks:
            concat = block.combination == "concat"
            slot = self._slot(self.filters * (2 if concat else 1))
            operation = MERGES.get(block.combination)
            merges.append([Part(operation, slot)] if operation else [])
        return merges

    @property
    def output_adjustments(self) -> list[list[Part]]:
        """For each state in `concat`, the parts that give it the output's
        size and channels (TF-slim).

        Only input states need any; without ReLU.
        """
        return [self._adjust_output(state) for state in self.cell.concat]

    def _adjust_output(self, state):
        channels = self.state_channels[state]
        if state >= self.cell.inputs:
            return []
        if self.strides > 1:
            return [Part("factorized_identity", self._slot(channels, 2))]
        if channels != self.filters:
            return [Part("linear_conv_1x1", self._slot(channels))]
        return []
