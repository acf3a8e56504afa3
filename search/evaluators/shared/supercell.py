"""A cell that holds every candidate in every place; the architecture is data.

`keras.ops.switch` runs, of each place's operations, the one that the
architecture names. So one compiled step serves every child.
"""

import dataclasses

import keras
import numpy as np
from keras import ops

from nasnet_keras.cells.conventions import Conventions, Slot
from nasnet_keras.cells.plan import MERGES, CellPlan, Part, make_chain
from nasnet_keras.genotypes import Block, Cell
from nasnet_keras.layers.batch_norm import BatchStatisticsNormalization
from nasnet_keras.layers.image_axes import divided, join_shape


class BatchStatistics(Conventions):
    """Conventions under which nothing is normalized by moving averages."""

    def batch_norm(self, **kwargs):
        """Returns a new layer that normalizes by the batch's statistics."""
        return BatchStatisticsNormalization(
            self.channel_axis, self.batch_norm_epsilon, **kwargs
        )


class SuperCell(keras.Layer):
    """A cell with every candidate in every place.

    What the architecture does not put out is zero: the layers that read a
    cell see all its blocks at fixed places.

    Args:
        candidates: `CellCandidates`.
        strides: 1, or 2 for a reduction.
        filters: Integer, the channels of every state inside the cell.
        input_strides: Tuple of integers, see `NormalCell`.
        conventions: `BatchStatistics`.
        offset: Integer, where this cell's numbers start in an architecture.
        sources: For each input that there is, the `SuperCell` that makes it,
            or `None`.

    Call arguments:
        inputs: List of tensors: current state, previous state, ...; last the
            architecture, `(batch, numbers)`, of which the first row counts.
    """

    def __init__(
        self,
        candidates,
        strides,
        filters,
        input_strides,
        conventions,
        offset,
        sources,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.candidates = candidates
        self.strides = strides
        self.filters = filters
        self.input_strides = tuple(input_strides)
        self.conventions = conventions
        self.offset = offset
        self.sources = tuple(sources)

    def build(self, input_shape):
        axis = self.conventions.channel_axis
        channels = [shape[axis] for shape in input_shape[:-1]]
        plan = self._plan(channels)
        self.fits = [
            self._built([] if self._fits(index, count) else parts, count)
            for index, (parts, count) in enumerate(zip(plan.fits, channels))
        ]
        inputs = self.candidates.inputs
        # What an operation must know of the state that it reads.
        self.kinds = [(c, self.strides) for c in plan.state_channels[:inputs]]
        self.kinds += [(self.filters, 1)] * self.candidates.blocks
        self.slots, self.merges = [], []
        for number, sides in enumerate(self.candidates.operations):
            kinds = list(dict.fromkeys(self.kinds[: inputs + number]))
            self.slots.append(
                [self._chains(kinds, operations) for operations in sides]
            )
            merges = self.candidates.combinations[number]
            self.merges.append([self._merge(name) for name in merges])

    def _fits(self, index, channels):
        """Whether an input that is no cell's never needs to be fitted."""
        fits = channels == self.filters and self.input_strides[index] == 1
        return index > 0 and fits and self.sources[index] is None

    def _plan(self, channels):
        """Of a cell that reads all inputs: its parts that fit them."""
        inputs = self.candidates.inputs
        blocks = [Block((i, i), ["identity"] * 2) for i in range(inputs)]
        return CellPlan(
            Cell(blocks, (inputs,), inputs),
            self.strides,
            self.filters,
            tuple(channels),
            self.input_strides,
            dataclasses.replace(self.conventions, always_project=True),
        )

    def _built(self, parts, channels):
        chain = make_chain(parts)
        data_format = self.conventions.data_format
        chain.build(join_shape(None, None, None, channels, data_format))
        return chain

    def _slot(self, channels, strides=1):
        return Slot(channels, self.filters, strides, self.conventions)

    def _chains(self, kinds, operations):
        """For each kind of state, each operation."""
        return [
            [
                self._built([Part(name, self._slot(*kind))], kind[0])
                for name in operations
            ]
            for kind in kinds
        ]

    def _merge(self, combination):
        channels = self.filters * (2 if combination == "concat" else 1)
        operation = MERGES.get(combination)
        parts = [Part(operation, self._slot(channels))] if operation else []
        return self._built(parts, channels)

    def call(self, inputs):
        *images, architecture = inputs
        end = self.offset + self.candidates.length
        numbers = architecture[0, self.offset : end]
        states = [
            self._fit(index, image, architecture[0])
            for index, image in enumerate(images)
        ]
        states += [images[0]] * (self.candidates.inputs - len(images))
        axis = self.conventions.channel_axis
        for place in range(self.candidates.blocks):
            left, right = (
                self._run(
                    self.slots[place][side],
                    states,
                    numbers[5 * place + side],
                    numbers[5 * place + 2 + side],
                )
                for side in (0, 1)
            )
            states.append(
                self._join(place, left, right, numbers[5 * place + 4], axis)
            )
        mask = ops.cast(self.mask(architecture[0]), self.compute_dtype)
        made = states[self.candidates.inputs :]
        made = [state * mask[place] for place, state in enumerate(made)]
        return ops.concatenate(made, axis)

    def _fit(self, index, image, architecture):
        """Fits an input; one that has the channels already stays as it is."""
        fit, source = self.fits[index], self.sources[index]
        if not index or source is None or self.input_strides[index] > 1:
            return fit(image)
        count, rest = divmod(self.filters, source.filters)
        if rest or count > source.candidates.blocks:
            return fit(image)
        mask = source.mask(architecture)
        return _switch(
            ops.cast(ops.sum(mask) == count, "int32"),
            [fit, lambda image: source.blocks_put_out(image, mask, count)],
            [image],
        )

    def mask(self, architecture):
        """Returns which blocks the architecture puts out: 0 or 1 for each."""
        start = self.offset + 5 * self.candidates.blocks
        return architecture[start : start + self.candidates.blocks]

    def blocks_put_out(self, output, mask, count):
        """Returns this cell's output without what is 0: `count` blocks."""
        places = ops.arange(len(self.slots)) + len(self.slots) * (1 - mask)
        order = ops.argsort(places)[:count]
        width = ops.arange(self.filters)
        rows = ops.reshape(self.filters * order[:, None] + width, (-1,))
        return ops.take(output, rows, axis=self.conventions.channel_axis)

    def _run(self, chains, states, state, operation):
        """Applies the operation that the architecture names to its state."""
        kinds = self.kinds[: len(states)]
        known = list(dict.fromkeys(kinds))
        chosen = []
        for kind in known:
            members = [i for i, other in enumerate(kinds) if other == kind]
            # Of a kind that is not asked for, any will do.
            place = np.zeros(len(states), "int32")
            place[members] = range(len(members))
            of_kind = [states[i] for i in members]
            chosen.append(_pick(of_kind, ops.take(place, state)))
        order = np.array([known.index(kind) for kind in kinds], "int32")
        branches = [
            _branch(chain, number)
            for number, operations in enumerate(chains)
            for chain in operations
        ]
        index = ops.take(order, state) * len(chains[0]) + operation
        return _switch(index, branches, chosen)

    def _join(self, place, left, right, combination, axis):
        branches = []
        names = self.candidates.combinations[place]
        for name, merge in zip(names, self.merges[place]):
            join = _concatenated if name == "concat" else _added
            branches.append(join(merge, axis))
        return _switch(combination, branches, [left, right])

    def compute_output_shape(self, input_shape):
        return divided(
            input_shape[0],
            self.strides,
            self.filters * self.candidates.blocks,
            self.conventions.data_format,
        )


def _branch(chain, number):
    return lambda *chosen: chain(chosen[number])


def _concatenated(merge, axis):
    return lambda left, right: merge(ops.concatenate([left, right], axis))


def _added(merge, axis):
    return lambda left, right: merge(ops.add(left, right))


def _pick(tensors, index):
    return tensors[0] if len(tensors) == 1 else ops.stack(tensors)[index]


def _switch(index, branches, operands):
    if len(branches) == 1:
        return branches[0](*operands)
    return ops.switch(index, branches, *operands)
