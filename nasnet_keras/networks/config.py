"""The configuration of a network: all its arguments, checked in one place."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from nasnet_keras.checks import (
    choice,
    flag,
    integer,
    is_integer,
    number,
    rate,
)
from nasnet_keras.genotypes import Genotype
from nasnet_keras.genotypes.published import NASNET_A
from nasnet_keras.layers.image_axes import LARGEST_SIDE, split_shape
from nasnet_keras.layers.names import POOLING_SEMANTICS
from nasnet_keras.networks.macro import Macro, find_macro

STACKS = 3
STEMS = ("imagenet", "cifar")
POOLINGS = (None, "avg", "max")
PREPROCESSINGS = (True, False, "whiten")
# Far above any network that was trained, and below what takes all memory or
# has no end: a summary would try.
MOST_CELLS, MOST_FILTERS, MOST_CLASSES = 1000, 4096, 10**7
FLAGS = ("skip_reduction", "auxiliary_head", "include_top", "aligned")


@dataclasses.dataclass(frozen=True)
class NetworkConfig:
    """The arguments of a network: structure, top, preprocessing.

    They are kept as plain Python: NumPy's numbers become Python's. Only the
    check of an `input_shape` imports Keras.

    Args: those of `nasnet_keras.NASNet`, except `weights` and `input_tensor`.

    Raises:
        ValueError: If an argument is out of range; the message names it.
    """

    genotype: Genotype = NASNET_A
    cells_per_stack: int = 4
    filters: int = 44
    stem: str = "imagenet"
    stem_filters: int | None = None
    skip_reduction: bool = False
    macro: str = "nasnet"
    pooling_semantics: str = "tf_slim"
    auxiliary_head: bool = False
    drop_path_rate: float = 0.0
    dropout_rate: float = 0.0
    include_top: bool = True
    classes: int = 1000
    input_shape: tuple[int | None, ...] | None = None
    pooling: str | None = None
    classifier_activation: Any = "softmax"
    include_preprocessing: bool | str = False
    aligned: bool = False
    batch_norm_momentum: float | None = None
    batch_norm_epsilon: float | None = None
    name: str = "nasnet"

    def __post_init__(self) -> None:
        for name in FLAGS:
            self._set(name, flag(name, getattr(self, name)))
        self._check_structure()
        self._check_top()
        self._check_batch_norm()
        if self.input_shape is not None:
            self._set("input_shape", self._checked_input_shape())
        if not isinstance(self.name, str):
            raise ValueError(
                f"`name` must be a string. Received: name={self.name!r}"
            )

    def _set(self, name, value):
        object.__setattr__(self, name, value)

    def _check_structure(self) -> None:
        if not isinstance(self.genotype, Genotype):
            raise ValueError(
                "`genotype` must be a nasnet_keras.Genotype. "
                f"Received: genotype={self.genotype!r}"
            )
        find_macro(self.macro)
        choice("stem", self.stem, STEMS)
        choice("pooling_semantics", self.pooling_semantics, POOLING_SEMANTICS)
        # The first stem cell has a quarter of the filters, and a factorized
        # reduction halves at least two.
        least = 8 if self.has_stem_cells else 2
        self._set(
            "filters", integer("filters", self.filters, least, MOST_FILTERS)
        )
        cells = integer("cells_per_stack", self.cells_per_stack, 1, MOST_CELLS)
        self._set("cells_per_stack", cells)
        if self.stem_filters is not None:
            stem_filters = integer(
                "stem_filters", self.stem_filters, 1, 3 * MOST_FILTERS
            )
            self._set("stem_filters", stem_filters)
        self._set("drop_path_rate", rate("drop_path_rate", self.drop_path_rate))

    def _check_top(self) -> None:
        classes = integer("classes", self.classes, 1, MOST_CLASSES)
        self._set("classes", classes)
        choice("pooling", self.pooling, POOLINGS)
        self._set("dropout_rate", rate("dropout_rate", self.dropout_rate))
        if self.auxiliary_head and not self.include_top:
            raise ValueError(
                "`auxiliary_head=True` is a second classifier and needs "
                "`include_top=True`."
            )
        activation = self.classifier_activation
        # A dictionary would be any object that Keras can make.
        valid = activation is None or isinstance(activation, str)
        if not (valid or callable(activation)):
            raise ValueError(
                "`classifier_activation` must be the name of an activation, a "
                "function, or None. Received: classifier_activation="
                f"{activation!r}"
            )
        choice(
            "include_preprocessing", self.include_preprocessing, PREPROCESSINGS
        )
        if self.include_preprocessing != "whiten":
            scaled = bool(self.include_preprocessing)
            self._set("include_preprocessing", scaled)

    def _check_batch_norm(self) -> None:
        momentum, epsilon = self.batch_norm_momentum, self.batch_norm_epsilon
        if momentum is not None:
            momentum = rate("batch_norm_momentum", momentum)
            self._set("batch_norm_momentum", momentum)
        if epsilon is not None:
            epsilon = number("batch_norm_epsilon", epsilon, above=0)
            self._set("batch_norm_epsilon", epsilon)

    def _checked_input_shape(self) -> tuple[int | None, ...]:
        import keras

        data_format = keras.config.image_data_format()
        form = "(channels, height, width)"
        if data_format == "channels_last":
            form = "(height, width, channels)"
        error = ValueError(
            f"`input_shape` must be {form} with height and width of at least "
            f"3 and at most {LARGEST_SIDE}, or None, and a number of channels. "
            f"Received: input_shape={self.input_shape}"
        )
        try:
            shape = tuple(self.input_shape or ())
        except TypeError:
            raise error from None
        if len(shape) != 3:
            raise error
        _, *sides, channels = split_shape((None, *shape), data_format)
        valid = all(
            side is None or (is_integer(side, 3) and side <= LARGEST_SIDE)
            for side in sides
        )
        if not valid or not is_integer(channels, 1):
            raise error
        return tuple(None if side is None else int(side) for side in shape)

    @property
    def family(self) -> Macro:
        """The macro-architecture of this network's family."""
        return find_macro(self.macro)

    @property
    def batch_norm(self) -> tuple[float, float]:
        """Momentum and epsilon, by default those of the family and stem."""
        momentum, epsilon = self.family.batch_norm_of(self.stem)
        if self.batch_norm_momentum is not None:
            momentum = self.batch_norm_momentum
        if self.batch_norm_epsilon is not None:
            epsilon = self.batch_norm_epsilon
        return momentum, epsilon

    @property
    def has_stem_cells(self) -> bool:
        """Whether the stem ends in two reduction cells."""
        return self.stem == "imagenet" and self.family.stem_cells

    @property
    def stem_channels(self) -> int:
        """Filters of the stem's convolution (by default the authors')."""
        if self.stem_filters is not None:
            return self.stem_filters
        if self.stem == "cifar":
            return 3 * self.filters
        return 32 if self.has_stem_cells else self.filters

    @property
    def cells(self) -> int:
        """The number of cells, those of the stem and reductions included."""
        between = 0 if self.family.reduces_within else STACKS - 1
        stem_cells = 2 if self.has_stem_cells else 0
        return stem_cells + STACKS * self.cells_per_stack + between

    def replace(self, **arguments: Any) -> NetworkConfig:
        """Returns a configuration with other values of some arguments."""
        return dataclasses.replace(self, **arguments)

    def to_dict(self) -> dict[str, Any]:
        """Returns the arguments as a dictionary that JSON can hold."""
        fields = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
        }
        return {**fields, "genotype": self.genotype.to_dict()}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> NetworkConfig:
        """Rebuilds a configuration from `to_dict()` and validates it.

        Missing arguments get their defaults.

        Raises:
            ValueError: If an argument is unknown or out of range.
        """
        unknown = sorted(set(data) - set(ARGUMENTS))
        if unknown:
            raise ValueError(
                f"A network has no argument {', '.join(unknown)}. It has: "
                f"{', '.join(ARGUMENTS)}"
            )
        genotype = data.get("genotype", NASNET_A)
        if isinstance(genotype, dict):
            genotype = Genotype.from_dict(genotype)
        return cls(**{**data, "genotype": genotype})

    def to_json(self, indent: int | None = None) -> str:
        """Returns the arguments as a JSON string."""
        return json.dumps(self.to_dict(), indent=indent)

    @classmethod
    def from_json(cls, text: str) -> NetworkConfig:
        """Rebuilds a configuration from `to_json()`."""
        return cls.from_dict(json.loads(text))


ARGUMENTS = tuple(field.name for field in dataclasses.fields(NetworkConfig))
