"""From the image to the last cell: stem, three stacks of cells, end points.

The families differ in what `nasnet_keras.networks.macro` states. Layers carry the names
of TF-slim's end points.
"""

import dataclasses

import keras

from nasnet_keras.cells.cell import NormalCell, ReductionCell, check_filters
from nasnet_keras.cells.conventions import Conventions
from nasnet_keras.genotypes import Genotype
from nasnet_keras.layers.drop_path import check_rate, drop_path_rate
from nasnet_keras.layers.image_axes import check_data_format, split_shape
from nasnet_keras.layers.padding import PadImage, PadToHalf
from nasnet_keras.layers.pooling import check_pooling_semantics
from nasnet_keras.networks.macro import MACROS, Macro

STACKS = 3


@dataclasses.dataclass(frozen=True)
class State:
    """A hidden state and its stride: how many input pixels a side spans."""

    tensor: object
    stride: int


@dataclasses.dataclass(frozen=True)
class Plan:
    """Everything that decides a network below its classifier.

    Args: see `nasnet_keras.NASNet`; `final_drop_path_rate` is its
        `drop_path_rate`.

    Raises:
        ValueError: If an argument is out of range.
    """

    genotype: Genotype
    cells_per_stack: int
    filters: int
    stem: str = "imagenet"
    stem_filters: int = None
    skip_reduction: bool = False
    final_drop_path_rate: float = 0.0
    aligned: bool = False
    macro: Macro = MACROS["nasnet"]
    conventions: Conventions = Conventions()

    def __post_init__(self):
        if not isinstance(self.genotype, Genotype):
            raise ValueError(
                "`genotype` must be a nasnet_keras.Genotype. "
                f"Received: genotype={self.genotype!r}"
            )
        if self.stem not in ("imagenet", "cifar"):
            raise ValueError(
                "`stem` must be 'imagenet' or 'cifar'. "
                f"Received: stem={self.stem!r}"
            )
        # The first stem cell has a quarter of the filters; two are the least
        # that a factorized reduction can halve.
        check_filters(self.filters, least=8 if self.has_stem_cells else 2)
        for name in ("cells_per_stack", "stem_filters"):
            value = getattr(self, name)
            if name == "stem_filters" and value is None:
                continue
            if (
                not isinstance(value, int)
                or isinstance(value, bool)
                or value < 1
            ):
                raise ValueError(
                    f"`{name}` must be a positive integer. "
                    f"Received: {name}={value!r}"
                )
        check_rate("drop_path_rate", self.final_drop_path_rate)
        check_pooling_semantics(self.conventions.pooling_semantics)
        check_data_format(self.conventions.data_format)

    @property
    def has_stem_cells(self):
        """Whether two reduction cells belong to the stem."""
        return self.stem == "imagenet" and self.macro.stem_cells

    @property
    def stem_channels(self):
        """Filters of the stem's convolution (the authors' defaults)."""
        default = 32 if self.has_stem_cells else self.filters
        default = 3 * self.filters if self.stem == "cifar" else default
        return self.stem_filters or default

    @property
    def cells(self):
        """The number of cells, stem and reduction cells included."""
        between = 0 if self.macro.reduces_within else STACKS - 1
        stem_cells = 2 if self.has_stem_cells else 0
        return stem_cells + STACKS * self.cells_per_stack + between

    def drop_path_rate(self, number):
        """Rate of the cell of a number, counted from 0."""
        deeper = (
            (number, self.cells) if self.macro.deeper_drops_more else (0, 1)
        )
        return drop_path_rate(1, 1, *deeper, self.final_drop_path_rate)


class Stacker:
    """Lays layer upon layer and remembers the states that cells read."""

    def __init__(self, plan, inputs):
        self.plan = plan
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
        conventions, x = self.plan.conventions, self.states[-1].tensor
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
            hide_previous: Whether the newest state but the current one is
                passed over (TF-slim's `skip_reduction_layer_input`).
        """
        plan = self.plan
        states, input_strides = self.states_for(cell, hide_previous)
        layer = layer_class(
            cell,
            filters,
            input_strides=input_strides,
            drop_path_rate=plan.drop_path_rate(self.cells),
            conventions=plan.conventions,
            name=name,
        )
        tensor = layer([state.tensor for state in states])
        self.cells += 1
        self.add(name, tensor, layer.strides)

    def states_for(self, cell, hide_previous):
        """Returns the states that a cell reads, and their strides beside its
        current one's."""
        states = self.states[::-1]
        if hide_previous:
            states = states[:1] + states[2:]
        states = states[: cell.inputs]
        strides = [states[0].stride // state.stride for state in states]
        return states, strides + [1] * (cell.inputs - len(states))

    def forget_all_but(self, count):
        """Leaves only the newest states to what comes."""
        self.states = self.states[-count:]


def add_stem(stack, plan):
    """The stem; afterwards the states are those that the first cell reads."""
    if plan.has_stem_cells:
        stack.add_convolution(plan.stem_channels, 2, "stem", padding="valid")
        stack.forget_all_but(1)
        for number, divisor in enumerate((4, 2)):
            stack.add_cell(
                ReductionCell,
                plan.genotype.reduction,
                plan.filters // divisor,
                f"cell_stem_{number}",
            )
    elif plan.stem == "imagenet":
        _add_convolutions(stack, plan)
    else:
        stack.add_convolution(plan.stem_channels, 1, "stem")
        stack.forget_all_but(1)
        if plan.macro.stem_twice:
            stack.states *= 2


def _add_convolutions(stack, plan):
    """The ImageNet stem of DARTS: its first cell reads strides 8 and 4."""
    filters = plan.stem_channels
    stack.add_convolution(max(filters // 2, 1), 2, "stem_0")
    stack.add_relu("stem_0_relu")
    stack.add_convolution(filters, 2, "stem_1")
    before = stack.states[-1]
    stack.add_relu("stem_1_relu")
    stack.add_convolution(filters, 2, "stem_2")
    stack.states = [before, stack.states[-1]]


def build_backbone(plan, inputs):
    """Builds a network up to its last cell.

    Args:
        plan: `Plan`.
        inputs: Keras tensor, a batch of images.

    Returns:
        Ordered dictionary, layer name -> `State` of the stem's layers and of
        each cell: `stem_bn`, `cell_stem_0`, ... to the last normal cell.
    """
    data_format = plan.conventions.data_format
    padding = plan.aligned and plan.has_stem_cells
    x = PadImage(data_format, name="pad")(inputs) if padding else inputs
    stack = Stacker(plan, x)
    add_stem(stack, plan)
    if padding:
        fit = PadToHalf(data_format, name="pad_to_half")
        half = fit([stack.end_points["stem_bn"].tensor, inputs])
        stack.end_points["pad_to_half"] = State(half, 2)
    add_stacks(stack, plan)
    return stack.end_points


def add_stacks(stack, plan):
    """Lays the three stacks of cells upon a stem."""
    normal, reduction = plan.genotype.normal, plan.genotype.reduction
    number = 0
    for stage in range(STACKS):
        filters = plan.filters * 2**stage
        within = plan.macro.reduces_within
        if stage and not within:
            name = f"reduction_cell_{stage - 1}"
            stack.add_cell(ReductionCell, reduction, filters, name)
        for first in [True] + [False] * (plan.cells_per_stack - 1):
            later = first and stage > 0
            reduces = within and later
            stack.add_cell(
                ReductionCell if reduces else NormalCell,
                reduction if reduces else normal,
                filters,
                f"cell_{number}",
                hide_previous=plan.skip_reduction and later and not within,
            )
            number += 1


def auxiliary_tap(plan):
    """Returns the name of the end point that the auxiliary head reads."""
    after = 2 * plan.cells_per_stack
    if plan.macro.auxiliary.place == "after":
        return f"cell_{after}"
    if plan.macro.auxiliary.place == "at":
        return "reduction_cell_1"
    return f"cell_{after - 1}"


def auxiliary_classifier(x, classes, activation, plan):
    """The auxiliary classifier of the paper, used in training only (TF-slim).

    Args:
        x: Tensor, the end point `auxiliary_tap(plan)`.
        classes: Integer.
        activation: Activation of the classifier.
        plan: `Plan` of the network.

    Returns:
        Tensor `(batch, classes)`.

    Raises:
        ValueError: If the height or width is unknown or below 5: the second
            convolution spans the whole map, so its weights depend on it.
    """
    conventions, head = plan.conventions, plan.macro.auxiliary
    data_format = conventions.data_format
    _, height, width, _ = split_shape(x.shape, data_format)
    if None in (height, width) or min(height, width) < 5:
        raise ValueError(
            "`auxiliary_head=True` needs a fixed `input_shape` that leaves at "
            f"least 5x5 pixels to {auxiliary_tap(plan)!r}. "
            f"There: {height}x{width}"
        )
    imagenet = plan.stem == "imagenet"
    strides = head.imagenet_strides if imagenet else head.strides
    x = keras.layers.ReLU(name="aux_relu")(x)
    x = keras.layers.AveragePooling2D(
        5, strides, data_format=data_format, name="aux_pool"
    )(x)
    x = conventions.conv(head.filters[0], 1, name="aux_proj")(x)
    x = conventions.batch_norm(name="aux_bn0")(x)
    x = keras.layers.ReLU(name="aux_relu0")(x)
    side = split_shape(x.shape, data_format)[1:3]
    x = conventions.conv(
        head.filters[1], side, padding="valid", name="aux_conv"
    )(x)
    if not imagenet or head.imagenet_norm:
        x = conventions.batch_norm(name="aux_bn1")(x)
    x = keras.layers.ReLU(name="aux_relu1")(x)
    x = keras.layers.Flatten(name="aux_flatten")(x)
    return keras.layers.Dense(
        classes,
        activation=activation,
        dtype="float32",
        name="auxiliary_predictions",
    )(x)
