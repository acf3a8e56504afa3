"""A cell with all candidate operations; the architecture is an input tensor.

`keras.ops.switch` runs the architecture's operation in each place, so one
compiled training step serves all children.
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
from nasnet_keras.layers.precision import policy_of
from nasnet_keras.layers.variables import shared_names


class BatchStatistics(Conventions):
    """Conventions whose batch normalization has no moving averages."""

    def batch_norm(self, **kwargs):
        """Returns a new layer that normalizes by the batch's statistics."""
        return BatchStatisticsNormalization(
            self.channel_axis, self.batch_norm_epsilon, **kwargs
        )


class SuperCell(keras.Layer):
    """A cell with all candidate operations in each place.

    The output is the concatenation of all blocks, at fixed channels; blocks
    that are not part of the architecture's output are zero.

    Args:
        candidates: `CellCandidates`.
        strides: 1, or 2 for a reduction.
        filters: Integer, the channels of every state inside the cell.
        input_strides: Tuple of integers, see `NormalCell`.
        conventions: `BatchStatistics`.
        offset: Integer, index of this cell's first number in an architecture.
        sources: For each input tensor the `SuperCell` whose output it is, or
            `None`.

    Call arguments:
        inputs: List of tensors: current state, previous state, ...; last the
            architecture, `(batch, numbers)`, of which only the first row is
            used.
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
        plan = self._projection_plan(channels)
        with policy_of(self), shared_names():
            self._build_layers(plan, channels)

    def _build_layers(self, plan, channels):
        # A snapshot holds the variables in the order of these assignments.
        self.projections = [
            self._build_chain(
                [] if self._never_projected(index, count) else parts, count
            )
            for index, (parts, count) in enumerate(
                zip(plan.input_adjustments, channels)
            )
        ]
        inputs = self.candidates.inputs
        # Channels and strides for an operation that reads the state: states
        # with equal ones share the operation's weights.
        self.state_slots = [
            (count, self.strides) for count in plan.state_channels[:inputs]
        ]
        self.state_slots += [(self.filters, 1)] * self.candidates.blocks
        self.operations, self.merges = [], []
        for number, sides in enumerate(self.candidates.operations):
            slots = self.distinct_slots(inputs + number)
            self.operations.append(
                [self._build_operations(slots, names) for names in sides]
            )
            combinations = self.candidates.combinations[number]
            self.merges.append([self._build_merge(c) for c in combinations])

    def distinct_slots(self, states):
        """Returns the distinct slots of the first states, in order."""
        return list(dict.fromkeys(self.state_slots[:states]))

    def _never_projected(self, index, channels):
        """Whether an input needs no projection under any architecture."""
        matches = channels == self.filters and self.input_strides[index] == 1
        return index > 0 and matches and self.sources[index] is None

    def _projection_plan(self, channels):
        """The plan of a cell that reads all inputs and projects each."""
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

    def _build_chain(self, parts, channels):
        chain = make_chain(parts)
        data_format = self.conventions.data_format
        chain.build(join_shape(None, None, None, channels, data_format))
        return chain

    def _slot(self, channels, strides=1):
        return Slot(channels, self.filters, strides, self.conventions)

    def _build_operations(self, slots, names):
        """Returns for each slot a list with a layer for each operation."""
        return [
            [
                self._build_chain([Part(name, self._slot(*slot))], slot[0])
                for name in names
            ]
            for slot in slots
        ]

    def _build_merge(self, combination):
        channels = self.filters * (2 if combination == "concat" else 1)
        operation = MERGES.get(combination)
        parts = [Part(operation, self._slot(channels))] if operation else []
        return self._build_chain(parts, channels)

    def call(self, inputs):
        *images, architecture = inputs
        end = self.offset + self.candidates.length
        numbers = architecture[0, self.offset : end]
        states = [
            self._project(index, image, architecture[0])
            for index, image in enumerate(images)
        ]
        states += [images[0]] * (self.candidates.inputs - len(images))
        axis = self.conventions.channel_axis
        for place in range(self.candidates.blocks):
            left, right = (
                self._apply_operation(
                    self.operations[place][side],
                    states,
                    numbers[5 * place + side],
                    numbers[5 * place + 2 + side],
                )
                for side in (0, 1)
            )
            states.append(
                self._combine(place, left, right, numbers[5 * place + 4], axis)
            )
        mask = ops.cast(self.output_mask(architecture[0]), self.compute_dtype)
        blocks = states[self.candidates.inputs :]
        blocks = [state * mask[place] for place, state in enumerate(blocks)]
        return ops.concatenate(blocks, axis)

    def _project(self, index, image, architecture):
        """Projects an input, unless it has the cell's number of filters."""
        project, source = self.projections[index], self.sources[index]
        if not index or source is None or self.input_strides[index] > 1:
            return project(image)
        count, rest = divmod(self.filters, source.filters)
        if rest or count > source.candidates.blocks:
            return project(image)
        mask = source.output_mask(architecture)
        return _switch(
            ops.cast(ops.sum(mask) == count, "int32"),
            [project, lambda image: source.output_blocks(image, mask, count)],
            [image],
        )

    def output_mask(self, architecture):
        """Returns 1 for each block that is part of the output, else 0."""
        start = self.offset + 5 * self.candidates.blocks
        return architecture[start : start + self.candidates.blocks]

    def output_blocks(self, output, mask, count):
        """Returns the `count` blocks of this cell's output that are not 0."""
        blocks = self.candidates.blocks
        places = ops.arange(blocks) + blocks * (1 - mask)
        order = ops.argsort(places)[:count]
        width = ops.arange(self.filters)
        rows = ops.reshape(self.filters * order[:, None] + width, (-1,))
        return ops.take(output, rows, axis=self.conventions.channel_axis)

    def _apply_operation(self, layers, states, state, operation):
        """Applies the architecture's operation to its input state.

        Args:
            layers: For each distinct slot a list, a layer for each operation.
            states: List of tensors, the states so far.
            state: Integer tensor, index of the state.
            operation: Integer tensor, index of the operation.
        """
        slots = self.state_slots[: len(states)]
        distinct = self.distinct_slots(len(states))
        operands = []  # One state of each slot: only one of them is used.
        for slot in distinct:
            members = [i for i, other in enumerate(slots) if other == slot]
            place = np.zeros(len(states), "int32")
            place[members] = range(len(members))
            tensors = [states[i] for i in members]
            operands.append(_select(tensors, ops.take(place, state)))
        slot_of_state = np.array([distinct.index(s) for s in slots], "int32")
        branches = [
            _branch(layer, number)
            for number, of_slot in enumerate(layers)
            for layer in of_slot
        ]
        index = ops.take(slot_of_state, state) * len(layers[0]) + operation
        return _switch(index, branches, operands)

    def _combine(self, place, left, right, combination, axis):
        branches = []
        names = self.candidates.combinations[place]
        for name, merge in zip(names, self.merges[place]):
            combine = _concatenate if name == "concat" else _add
            branches.append(combine(merge, axis))
        return _switch(combination, branches, [left, right])

    def compute_output_shape(self, input_shape):
        return divided(
            input_shape[0],
            self.strides,
            self.filters * self.candidates.blocks,
            self.conventions.data_format,
        )


def _branch(layer, number):
    return lambda *operands: layer(operands[number])


def _concatenate(merge, axis):
    return lambda left, right: merge(ops.concatenate([left, right], axis))


def _add(merge, axis):
    return lambda left, right: merge(ops.add(left, right))


def _select(tensors, index):
    return tensors[0] if len(tensors) == 1 else ops.stack(tensors)[index]


def _switch(index, branches, operands):
    if len(branches) == 1:
        return branches[0](*operands)
    return ops.switch(index, branches, *operands)
