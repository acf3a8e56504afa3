"""The macro-architecture: stem, three stacks of cells, end points.

TF-slim `nasnet/nasnet.py`. Layers carry the names of its end points.
"""

import dataclasses

import keras

from nasnet_keras.cells import NormalCell, ReductionCell, check_filters
from nasnet_keras.drop_path import check_rate, drop_path_rate
from nasnet_keras.genotypes import Genotype
from nasnet_keras.operations import Conventions
from nasnet_keras.pooling import check_pooling_semantics

STACKS = 3


@dataclasses.dataclass(frozen=True)
class _State:
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
        check_filters(self.filters, least=8 if self.stem == "imagenet" else 2)
        for name in ("cells_per_stack", "stem_filters"):
            value = getattr(self, name)
            if name == "stem_filters" and value is None:
                continue
            if not isinstance(value, int) or value < 1:
                raise ValueError(
                    f"`{name}` must be a positive integer. "
                    f"Received: {name}={value!r}"
                )
        check_rate("drop_path_rate", self.final_drop_path_rate)
        check_pooling_semantics(self.conventions.pooling_semantics)

    @property
    def stem_channels(self):
        """Filters of the stem's convolution (TF-slim's defaults)."""
        default = 32 if self.stem == "imagenet" else 3 * self.filters
        return self.stem_filters or default

    @property
    def cells(self):
        """The number of cells, stem and reduction cells included."""
        stem_cells = 2 if self.stem == "imagenet" else 0
        return stem_cells + STACKS * self.cells_per_stack + STACKS - 1


class _Stacker:
    """Lays cell upon cell and remembers the states that the next one reads."""

    def __init__(self, plan, stem):
        self.plan = plan
        self.states = [stem]
        self.end_points = {}

    @property
    def current(self):
        return self.states[-1].tensor

    def add(self, layer_class, cell, filters, name, hide_previous=False):
        """Appends a cell.

        Args:
            hide_previous: Whether the newest state but the current one is
                passed over (TF-slim's `skip_reduction_layer_input`).
        """
        plan = self.plan
        states = self.states[::-1]
        if hide_previous:
            states = states[:1] + states[2:]
        states = states[: cell.inputs]
        current = states[0]
        input_strides = [current.stride // s.stride for s in states]
        input_strides += [1] * (cell.inputs - len(states))
        layer = layer_class(
            cell,
            filters,
            input_strides=input_strides,
            drop_path_rate=drop_path_rate(
                1,
                1,
                len(self.end_points),
                plan.cells,
                plan.final_drop_path_rate,
            ),
            conventions=plan.conventions,
            name=name,
        )
        tensor = layer([state.tensor for state in states])
        self.states.append(_State(tensor, current.stride * layer.strides))
        self.end_points[name] = tensor


def _stem(plan, inputs):
    imagenet = plan.stem == "imagenet"
    x = plan.conventions.conv(
        plan.stem_channels,
        3,
        strides=2 if imagenet else 1,
        padding="valid" if imagenet else "same",
        name="stem_conv",
    )(inputs)
    x = plan.conventions.batch_norm(name="stem_bn")(x)
    return _State(x, 2 if imagenet else 1)


def build_backbone(plan, inputs):
    """Builds a network up to its last cell.

    Args:
        plan: `Plan`.
        inputs: Keras tensor `(batch, height, width, channels)`.

    Returns:
        Ordered dictionary, layer name -> output tensor of each cell, from
        `cell_stem_0` (ImageNet stem) or `cell_0` to the last normal cell.
    """
    normal, reduction = plan.genotype.normal, plan.genotype.reduction
    stack = _Stacker(plan, _stem(plan, inputs))
    if plan.stem == "imagenet":
        for number, divisor in enumerate((4, 2)):
            name = f"cell_stem_{number}"
            stack.add(ReductionCell, reduction, plan.filters // divisor, name)
    number = 0
    for stage in range(STACKS):
        filters = plan.filters * 2**stage
        if stage:
            name = f"reduction_cell_{stage - 1}"
            stack.add(ReductionCell, reduction, filters, name)
        for first in [True] + [False] * (plan.cells_per_stack - 1):
            stack.add(
                NormalCell,
                normal,
                filters,
                f"cell_{number}",
                hide_previous=plan.skip_reduction and first and stage > 0,
            )
            number += 1
    return stack.end_points


def auxiliary_classifier(x, classes, activation, conventions):
    """The auxiliary classifier of the paper, used in training only (TF-slim).

    Args:
        x: Tensor, output of the last normal cell before the second reduction.
        classes: Integer.
        activation: Activation of the classifier.
        conventions: `Conventions` of the network.

    Returns:
        Tensor `(batch, classes)`.

    Raises:
        ValueError: If the height or width is unknown or below 5: the second
            convolution spans the whole map, so its weights depend on it.
    """
    if None in x.shape[1:3] or min(x.shape[1:3]) < 5:
        raise ValueError(
            "`auxiliary_head=True` needs a fixed `input_shape` that leaves at "
            "least 5x5 pixels before the second reduction. There: "
            f"{x.shape[1]}x{x.shape[2]}"
        )
    x = keras.layers.ReLU(name="aux_relu")(x)
    x = keras.layers.AveragePooling2D(
        5, 3, data_format="channels_last", name="aux_pool"
    )(x)
    x = conventions.conv(128, 1, name="aux_proj")(x)
    x = conventions.batch_norm(name="aux_bn0")(x)
    x = keras.layers.ReLU(name="aux_relu0")(x)
    x = conventions.conv(768, x.shape[1:3], padding="valid", name="aux_conv")(x)
    x = conventions.batch_norm(name="aux_bn1")(x)
    x = keras.layers.ReLU(name="aux_relu1")(x)
    x = keras.layers.Flatten(name="aux_flatten")(x)
    return keras.layers.Dense(
        classes,
        activation=activation,
        dtype="float32",
        name="auxiliary_predictions",
    )(x)
