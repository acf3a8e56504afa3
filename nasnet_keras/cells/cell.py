"""The cell layers: they interpret a genotype's cells, of every family."""

import dataclasses
import functools
from collections.abc import Iterable, Sequence
from typing import Any

import keras
from keras import ops

from nasnet_keras import checks
from nasnet_keras.cells.conventions import Conventions, as_conventions
from nasnet_keras.cells.frozen import freeze, frozen_names
from nasnet_keras.cells.operations import check_operations
from nasnet_keras.cells.plan import CellPlan, make_chain
from nasnet_keras.genotypes import Cell
from nasnet_keras.layers.checkpoints import InCheckpoints
from nasnet_keras.layers.drop_path import DropPath
from nasnet_keras.layers.image_axes import divided, join_shape, split_shape
from nasnet_keras.layers.precision import policy_of
from nasnet_keras.layers.remat import recomputed
from nasnet_keras.layers.variables import shared_names
from nasnet_keras.layers.walk import all_layers

# Drop path is never applied to identities, not even strided ones.
NEVER_DROPPED = ("identity", "factorized_identity")


def _apply(operation, *args):
    return operation(*args)


def _apply_trained(operation, *args):
    # In the backward pass no layer outside says that this is training.
    if isinstance(operation, keras.Layer):
        return operation(*args, training=True)
    return operation(*args)


class _CellLayer(InCheckpoints, keras.Layer):
    """Interprets a `Cell`; the subclasses set the stride of its inputs.

    Args:
        cell: `nasnet_keras.Cell`, or its `to_dict()`.
        filters: Integer, the channels of every state inside the cell. The
            output has `filters` for each state that the cell concatenates.
        input_strides: Sequence of integers, one per input state: how many
            times its side is that of the current state (1, 2, 4, ...).
            Defaults to 1 for all. Sizes are never read from the inputs, so
            that they may be unknown.
        drop_path_rate: Float, the rate at which paths are dropped in
            training; see `DropPath`. Identities are never dropped.
        conventions: `Conventions` of the network, or a dictionary of them.
        frozen: Sequence of strings, the layers inside the cell that do not
            train, by name (see `nasnet_keras.cells.frozen`). `get_config`
            has them, so that they stay frozen when a cell is loaded or
            cloned. Integers, as in older files, are positions.
        dtype: Dtype policy of the cell and of every layer inside it.
            Defaults to Keras' global one.

    Call arguments:
        inputs: List of tensors, batches of images: current state, previous
            state, and so on. At the start of a network, which has no earlier
            states yet, the list is shorter; the unchanged current state
            replaces the missing ones, as in TF-slim.

    Returns:
        Tensor, a batch of images of `filters * len(cell.concat)` channels,
        with height and width those of the current state divided by the
        stride, rounded up.

    Raises:
        ValueError: If an operation is unknown or an argument out of range.
    """

    strides = 1

    def __init__(
        self,
        cell: Cell | dict[str, Any],
        filters: int,
        input_strides: Sequence[int] | None = None,
        drop_path_rate: float = 0.0,
        conventions: Conventions | dict[str, Any] = Conventions(),
        frozen: Iterable[str | int] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        cell = Cell.from_dict(cell) if isinstance(cell, dict) else cell
        if not isinstance(cell, Cell):
            raise ValueError(f"`cell` must be a Cell. Received: cell={cell!r}")
        check_operations(cell.operations)
        self.cell = cell
        self.input_strides = self._checked_input_strides(cell, input_strides)
        least = 2 if self._factorizes(cell, self.input_strides) else 1
        self.filters = checks.integer("filters", filters, least)
        self.drop_path_rate = checks.rate("drop_path_rate", drop_path_rate)
        self.conventions = as_conventions(conventions)
        self.remat = False  # See `nasnet_keras.training.remat`.
        self.drop_path = None
        with policy_of(self):  # Refuses policies that quantize.
            if self.drop_path_rate:
                self.drop_path = DropPath(self.drop_path_rate)
        self.frozen = tuple(
            name if isinstance(name, str) else checks.integer("frozen", name, 0)
            for name in frozen
        )

    def _factorizes(self, cell, input_strides):
        halved = self.strides > 1 and min(cell.concat) < cell.inputs
        return halved or max(input_strides) > 1

    @staticmethod
    def _checked_input_strides(cell, given):
        if given is None:
            return (1,) * cell.inputs
        strides = tuple(given)
        powers = all(
            checks.is_integer(s, 1) and s in (1, 2, 4, 8, 16, 32)
            for s in strides
        )
        if len(strides) != cell.inputs or not powers or strides[0] != 1:
            raise ValueError(
                "`input_strides` must be 1 for the current state and a power "
                f"of two for each other of the {cell.inputs} input states. "
                f"Received: input_strides={strides}"
            )
        return tuple(int(s) for s in strides)

    def _input_shapes(self, input_shape):
        shapes = input_shape
        if not isinstance(shapes[0], (list, tuple)):
            shapes = [shapes]
        if len(shapes) > self.cell.inputs:
            raise ValueError(
                f"{self.name} reads {self.cell.inputs} input states. "
                f"Received: {len(shapes)}"
            )
        return shapes

    def build(self, input_shape):
        shapes = self._input_shapes(input_shape)
        plan = CellPlan(
            self.cell,
            self.strides,
            self.filters,
            tuple(self._channels(shape) for shape in shapes),
            self.input_strides,
            self.conventions,
        )
        with policy_of(self), shared_names():
            self._build_layers(plan)
        if not self.trainable:  # Frozen before it had layers.
            for layer in all_layers(self, include_self=False):
                layer.trainable = False
        freeze(self, self.frozen)

    def _build_layers(self, plan):
        # The attributes `fits`, `paths`, `merges` and `outs`, like those of
        # the layers inside, are keys in every weights file that Keras wrote:
        # they cannot be renamed.
        self.fits = [
            self._make(parts, count, f"fit_{index}")
            for index, (parts, count) in enumerate(
                zip(plan.input_adjustments, plan.channels)
            )
        ]
        self._build_blocks(plan)
        self.outs = [
            self._make(parts, plan.state_channels[state], f"out_{state}")
            for state, parts in zip(self.cell.concat, plan.output_adjustments)
        ]

    def _build_blocks(self, plan):
        self.paths, self.merges = [], []
        for number, block in enumerate(plan.paths):
            self.paths.append(
                [
                    self._make_path(part, f"block_{number}_{side}")
                    for side, part in zip(("left", "right"), block)
                ]
            )
            merge = plan.merges[number]
            name = f"block_{number}_merge"
            self.merges.append(
                self._make(merge, merge[0].slot.channels, name)
                if merge
                else None
            )

    def layers_in_lists(self):
        """Returns the chains of a built cell by name."""
        if not self.built:
            return {}
        paths = [path for block in self.paths for path in block]
        merges = [merge for merge in self.merges if merge is not None]
        chains = [*self.fits, *paths, *merges, *self.outs]
        return {chain.name: chain for chain in chains}

    def _channels(self, shape):
        return shape[self.conventions.channel_axis]

    def _shape(self, channels, side=None):
        data_format = self.conventions.data_format
        return join_shape(None, side, side, channels, data_format)

    def _make(self, parts, channels, name):
        chain = make_chain(parts, name=name)
        chain.build(self._shape(channels))
        return chain

    def _make_path(self, part, name):
        path = self._make([part], part.slot.channels, name)
        sample = self._shape(part.slot.channels, 64)
        _, side, _, given = split_shape(
            path.compute_output_shape(sample), self.conventions.data_format
        )
        strides = part.slot.strides
        if side != 64 // strides:
            raise ValueError(
                f"The operation {part.operation!r} must divide the size by "
                f"{strides} (slot.strides). It makes {side} of 64 pixels."
            )
        if given != self.filters:
            raise ValueError(
                f"The operation {part.operation!r} must give {self.filters} "
                f"channels (slot.filters). It gives {given}."
            )
        return path

    def call(self, inputs, training=None):
        if self.remat and training:
            connected = functools.partial(self.connect, apply=_apply_trained)
            return recomputed(self, connected, inputs)
        return self.connect(inputs, _apply)

    def connect(self, inputs, apply):
        """Connects the layers of the cell.

        `deploy.fuse` reads with it how a cell computes.

        Args:
            inputs: Call argument of the layer, or what stands for it.
            apply: Function of a layer or operation of `keras.ops` and of its
                arguments, which returns what it gives.

        Returns:
            What the last operation gives.
        """
        inputs = inputs if isinstance(inputs, (list, tuple)) else [inputs]
        states = [apply(fit, state) for fit, state in zip(self.fits, inputs)]
        states += [inputs[0]] * (self.cell.inputs - len(inputs))
        axis = self.conventions.channel_axis
        for block, paths, merge in zip(
            self.cell.blocks, self.paths, self.merges
        ):
            left, right = (
                self._apply_path(apply, path, states[state], name)
                for path, state, name in zip(
                    paths, block.inputs, block.operations
                )
            )
            if block.combination == "concat":
                state = apply(ops.concatenate, [left, right], axis)
            else:
                state = apply(ops.add, left, right)
            states.append(state if merge is None else apply(merge, state))
        return apply(
            ops.concatenate,
            [
                apply(out, states[state])
                for out, state in zip(self.outs, self.cell.concat)
            ],
            axis,
        )

    def _apply_path(self, apply, path, state, name):
        result = apply(path, state)
        if self.drop_path is None or not path.layers or name in NEVER_DROPPED:
            return result
        return apply(self.drop_path, result)

    def compute_output_shape(self, input_shape):
        return divided(
            self._input_shapes(input_shape)[0],
            self.strides,
            self.filters * len(self.cell.concat),
            self.conventions.data_format,
        )

    def get_config(self):
        config = super().get_config()
        config.update(
            cell=self.cell.to_dict(),
            filters=self.filters,
            input_strides=list(self.input_strides),
            drop_path_rate=self.drop_path_rate,
            conventions=dataclasses.asdict(self.conventions),
            frozen=self._frozen_names(),
        )
        return config

    def _frozen_names(self):
        if not self.built:
            return list(self.frozen)
        # If the cell itself is frozen, `trainable` in its config says so.
        return frozen_names(self) if self.trainable else []


@keras.saving.register_keras_serializable(package="nasnet_keras")
class NormalCell(_CellLayer):
    __doc__ = f"A cell that keeps the size. {_CellLayer.__doc__}"

    strides = 1


@keras.saving.register_keras_serializable(package="nasnet_keras")
class ReductionCell(_CellLayer):
    __doc__ = f"A cell that halves the size. {_CellLayer.__doc__}"

    strides = 2
