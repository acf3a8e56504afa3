"""What a cell is made of, before there is a layer: parts in their slots.

`nasnet_keras.cells` makes the layers; `nasnet_keras.networks.counting` only counts.
"""

import dataclasses
import functools
import math
from typing import NamedTuple

from nasnet_keras.cells.conventions import Chain, Conventions, Slot
from nasnet_keras.cells.operations import OPERATIONS, check_operations
from nasnet_keras.genotypes import Cell

MERGES = {
    "concat": "conv_1x1",
    "add_layer_norm": "layer_norm",
    "add_instance_norm": "instance_norm",
}


class Part(NamedTuple):
    """An operation of the table, and the slot that it fills."""

    operation: str
    slot: Slot

    def layers(self):
        """Returns new layers for it."""
        check_operations([self.operation])
        return OPERATIONS[self.operation](self.slot)


def make_chain(parts, **kwargs):
    """Returns a new layer that applies parts one after the other."""
    return Chain([layer for p in parts for layer in p.layers()], **kwargs)


@dataclasses.dataclass(frozen=True)
class CellPlan:
    """The parts of a cell, given the channels that it reads.

    Args:
        cell: `nasnet_keras.Cell`.
        strides: 1, or 2 for a reduction.
        filters: Integer, the channels of every state inside the cell.
        channels: Tuple of integers, those of the input states that there are;
            the current one, as it comes, stands in for the missing ones.
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
    def state_channels(self):
        """Tuple: the channels of each state, once the inputs are fitted."""
        fitted = [
            self.filters if parts else count
            for parts, count in zip(self.fits, self.channels)
        ]
        missing = self.cell.inputs - len(self.channels)
        fitted += [self.channels[0]] * missing
        return (*fitted, *[self.filters] * len(self.cell.blocks))

    @functools.cached_property
    def fits(self):
        """For each input state, the parts that fit it to the cell."""
        return [self._fit(*state) for state in enumerate(self.channels)]

    def _fit(self, index, channels):
        read = {state for b in self.cell.blocks for state in b.inputs}
        if index not in read.union(self.cell.concat):
            return []  # What nothing reads costs nothing.
        halvings = int(math.log2(self.input_strides[index]))
        fits = channels == self.filters and not self.conventions.always_project
        if halvings:
            operation, times, strides = "skip_connect", halvings, 2
        elif index and fits:
            return []
        else:
            once = index or channels == self.filters
            times = 1 if once else self.conventions.current_projections
            operation, strides = "conv_1x1", 1
        counts = [channels] + [self.filters] * (times - 1)
        return [Part(operation, self._slot(n, strides)) for n in counts]

    @property
    def paths(self):
        """For each block, the parts of its left and its right side."""
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
    def merges(self):
        """For each block, the parts that follow where its sides meet."""
        merges = []
        for block in self.cell.blocks:
            concat = block.combination == "concat"
            slot = self._slot(self.filters * (2 if concat else 1))
            operation = MERGES.get(block.combination)
            merges.append([Part(operation, slot)] if operation else [])
        return merges

    @property
    def outs(self):
        """For each state of the output, the parts that fit it (TF-slim).

        Only input states need any; no ReLU comes before.
        """
        return [self._out(state) for state in self.cell.concat]

    def _out(self, state):
        channels = self.state_channels[state]
        if state >= self.cell.inputs:
            return []
        if self.strides > 1:
            return [Part("factorized_identity", self._slot(channels, 2))]
        if channels != self.filters:
            return [Part("linear_conv_1x1", self._slot(channels))]
        return []
