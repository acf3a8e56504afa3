"""From the image to the last cell: the stem, then three stacks of cells.

`nasnet_keras.networks.macro` has the differences between families. Layers have
the names of TF-slim's end points.
"""

import dataclasses
from typing import Any

import keras

from nasnet_keras.cells import NormalCell, ReductionCell
from nasnet_keras.cells.conventions import Conventions
from nasnet_keras.layers.drop_path import drop_path_rate
from nasnet_keras.layers.padding import PadImage, PadToHalf
from nasnet_keras.networks.config import STACKS, NetworkConfig


@dataclasses.dataclass(frozen=True)
class State:
    """A hidden state and its stride relative to the images."""

    tensor: Any
    stride: int


class Stacker:
    """Adds layers in order; keeps the states that the next cell reads.

    Args:
        config: `NetworkConfig`.
        inputs: Keras tensor, a batch of images.
        conventions: `Conventions` of all layers. Defaults to the network's.

    Attributes:
        states: List of `State`, the newest last.
        end_points: Dictionary, layer name -> `State`, in order.
        cells: Integer, the cells so far.
    """

    def __init__(self, config, inputs, conventions=None):
        self.config = config
        self.conventions = conventions or network_conventions(config)
        self.states = [State(inputs, 1)]
        self.end_points = {}
        self.cells = 0

    def add(self, name, tensor, strides):
        """Appends a state; it is an end point of that name."""
        state = State(tensor, self.states[-1].stride * strides)
        self.states.append(state)
        self.end_points[name] = state

    def add_convolution(self, filters, strides, name, padding="same"):
        """Appends a 3x3 convolution of the stem and its batch norm."""
        conventions, x = self.conventions, self.states[-1].tensor
        if strides > 1 and conventions.alignment == "pytorch":
            x = keras.layers.ZeroPadding2D(
                data_format=conventions.data_format, name=f"{name}_pad"
            )(x)
            padding = "valid"
        x = conventions.conv(
            filters, 3, strides=strides, padding=padding, name=f"{name}_conv"
        )(x)
        x = conventions.batch_norm(name=f"{name}_bn")(x)
        self.add(f"{name}_bn", x, strides)

    def add_relu(self, name):
        """Appends a ReLU."""
        self.add(name, keras.layers.ReLU(name=name)(self.states[-1].tensor), 1)

    def add_cell(self, layer_class, cell, filters, name, hide_previous=False):
        """Appends a cell.

        Args:
            layer_class: `NormalCell` or `ReductionCell`.
            cell: `nasnet_keras.Cell`.
            filters: Integer.
            name: String, the layer's name.
            hide_previous: Whether the cell skips the previous state and reads
                the one before it (TF-slim's `skip_reduction_layer_input`).
        """
        states, input_strides = self.states_for(cell, hide_previous)
        layer = layer_class(
            cell,
            filters,
            input_strides=input_strides,
            drop_path_rate=self._drop_path_rate(),
            conventions=self.conventions,
            name=name,
        )
        tensor = layer([state.tensor for state in states])
        self.cells += 1
        self.add(name, tensor, layer.strides)

    def _drop_path_rate(self):
        """The rate of the next cell; in some families it grows with depth."""
        deeper = self.config.family.deeper_drops_more
        index, cells = (self.cells, self.config.cells) if deeper else (0, 1)
        return drop_path_rate(1, 1, index, cells, self.config.drop_path_rate)

    def states_for(self, cell, hide_previous):
        """Returns the states that a cell reads, the current one first, and
        their strides relative to it."""
        states = self.states[::-1]
        if hide_previous:
            states = states[:1] + states[2:]
        states = states[: cell.inputs]
        strides = [states[0].stride // state.stride for state in states]
        return states, strides + [1] * (cell.inputs - len(states))

    def keep_newest(self, count):
        """Drops all states but the newest ones."""
        self.states = self.states[-count:]


def network_conventions(config: NetworkConfig) -> Conventions:
    """Returns what all layers of a network share.

    Raises:
        ValueError: If the backend cannot compute in Keras' data format.
    """
    momentum, epsilon = config.batch_norm
    family = config.family
    return Conventions(
        config.pooling_semantics,
        momentum,
        epsilon,
        alignment=family.alignment,
        data_format=_runnable_data_format(),
        current_projections=family.current_projections,
        always_project=family.always_project,
    )


def _runnable_data_format():
    """Returns Keras' image data format if the backend computes with it."""
    data_format = keras.config.image_data_format()
    if data_format == "channels_first" and _is_cpu_tensorflow():
        raise ValueError(
            "TensorFlow on a CPU convolves images of (height, width, channels) "
            "only. Set `keras.config.set_image_data_format('channels_last')`, "
            "or use JAX, torch or a GPU. Received: "
            f"image_data_format={data_format!r}"
        )
    return data_format


def _is_cpu_tensorflow():
    if keras.backend.backend() != "tensorflow":
        return False
    return not any(
        "gpu" in name.lower() for name in keras.distribution.list_devices()
    )


def build_backbone(config: NetworkConfig, inputs: Any) -> dict[str, State]:
    """Builds a network up to its last cell.

    Args:
        config: `NetworkConfig`.
        inputs: Keras tensor, a batch of images.

    Returns:
        Ordered dictionary, layer name -> `State` of the stem's layers and of
        each cell: `stem_bn`, `cell_stem_0`, ... to the last normal cell.
    """
    conventions = network_conventions(config)
    data_format = conventions.data_format
    padding = config.aligned and config.has_stem_cells
    x = PadImage(data_format, name="pad")(inputs) if padding else inputs
    stack = Stacker(config, x, conventions)
    add_stem(stack)
    if padding:
        pad = PadToHalf(data_format, name="pad_to_half")
        half = pad([stack.end_points["stem_bn"].tensor, inputs])
        stack.end_points["pad_to_half"] = State(half, 2)
    add_stacks(stack)
    return stack.end_points


def add_stem(stack: Stacker) -> None:
    """Adds the stem; keeps the states that the first cell reads."""
    config = stack.config
    if config.has_stem_cells:
        stack.add_convolution(config.stem_channels, 2, "stem", padding="valid")
        stack.keep_newest(1)
        for number, divisor in enumerate((4, 2)):
            stack.add_cell(
                ReductionCell,
                config.genotype.reduction,
                config.filters // divisor,
                f"cell_stem_{number}",
            )
    elif config.stem == "imagenet":
        _add_convolutions(stack)
    else:
        stack.add_convolution(config.stem_channels, 1, "stem")
        stack.keep_newest(1)
        if config.family.stem_twice:
            stack.states *= 2


def _add_convolutions(stack):
    """The ImageNet stem of DARTS: its first cell reads strides 8 and 4."""
    filters = stack.config.stem_channels
    stack.add_convolution(max(filters // 2, 1), 2, "stem_0")
    stack.add_relu("stem_0_relu")
    stack.add_convolution(filters, 2, "stem_1")
    previous = stack.states[-1]
    stack.add_relu("stem_1_relu")
    stack.add_convolution(filters, 2, "stem_2")
    stack.states = [previous, stack.states[-1]]


def add_stacks(stack: Stacker) -> None:
    """Adds the three stacks of cells to a stem."""
    config = stack.config
    normal, reduction = config.genotype.normal, config.genotype.reduction
    within = config.family.reduces_within
    number = 0
    for stage in range(STACKS):
        filters = config.filters * 2**stage
        if stage and not within:
            name = f"reduction_cell_{stage - 1}"
            stack.add_cell(ReductionCell, reduction, filters, name)
        for place in range(config.cells_per_stack):
            first_of_later_stack = place == 0 and stage > 0
            reduces = within and first_of_later_stack
            hides = config.skip_reduction and first_of_later_stack
            stack.add_cell(
                ReductionCell if reduces else NormalCell,
                reduction if reduces else normal,
                filters,
                f"cell_{number}",
                hide_previous=hides and not within,
            )
            number += 1
