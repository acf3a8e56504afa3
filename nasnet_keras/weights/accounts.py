"""Matches every variable of a network with the source of its weights.

If one is missing, left over or of another shape, nothing is loaded.
"""

from __future__ import annotations

import dataclasses
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import keras

logger = logging.getLogger("nasnet_keras")

# The layers that a network may have or lack, whatever its weights file holds.
HEADS = ("predictions", "auxiliary_predictions")
# Prefix of the layers between a cell and `auxiliary_predictions`.
AUXILIARY_LAYERS = "aux"
# The names of the layers of our networks that hold weights.
OWN = re.compile(
    r"stem(_\d)?_(conv|bn)|(reduction_)?cell_(stem_)?\d+"
    r"|aux_(proj|conv|bn\d)|(auxiliary_)?predictions"
)
# The weights of a batch normalization, named alike in every kind of file.
NORMALIZATION = ("gamma", "beta", "moving_mean", "moving_variance")

Layers = tuple["keras.Layer", ...]
# Pairs: a variable of the network, its name in the source.
NamedVariables = list[tuple["keras.Variable", str]]
Values = dict[str, np.ndarray]
Shapes = Mapping[str, tuple[int, ...]]


class WeightsError(ValueError):
    """The weights in a source are not those of the network.

    Args:
        message: String.
        missing, extra, misshapen: Lists of all names concerned; the message
            shows the first ten of each.
    """

    def __init__(
        self,
        message: str,
        missing: Iterable[str] = (),
        extra: Iterable[str] = (),
        misshapen: Iterable[str] = (),
    ) -> None:
        super().__init__(message)
        self.missing = list(missing)
        self.extra = list(extra)
        self.misshapen = list(misshapen)


@dataclasses.dataclass(frozen=True)
class Loaded:
    """The result of loading weights.

    Args:
        variables: Integer, how many variables have a new value.
        averages: Integer, how many of them took a moving average.
        fresh: Tuple of the names of the layers that keep their values.
        passed_over: Tuple of the names in the source that were ignored: of a
            classifier or auxiliary head that the network lacks, or of layers
            that its user added.
        adapted: Whether the stem's kernel was for another number of channels.
    """

    variables: int
    averages: int = 0
    fresh: tuple[str, ...] = ()
    passed_over: tuple[str, ...] = ()
    adapted: bool = False

    def warn_of_fresh(self, name: str) -> None:
        """Logs which layers of the model of that name are still random."""
        if self.fresh:
            logger.warning(
                "%s: not loaded, still random and to be trained: %s.",
                name,
                ", ".join(self.fresh),
            )


def has_layer(model: keras.Model, name: str) -> bool:
    """Whether a model has a layer of that name."""
    return any(layer.name == name for layer in model.layers)


def is_head(layer: str) -> bool:
    """Whether a layer, by its name, belongs to a head of the network."""
    return layer in HEADS or layer.startswith(AUXILIARY_LAYERS)


def is_own(layer: str) -> bool:
    """Whether a layer, by its name, is one that our networks have."""
    return bool(OWN.fullmatch(layer))


def select_layers(
    model: keras.Model, condition: Callable[[str], bool]
) -> Layers:
    """Returns the layers with weights whose names meet a condition."""
    layers = (layer for layer in model.layers if condition(layer.name))
    return tuple(layer for layer in layers if layer.weights)


def fresh_heads(
    model: keras.Model,
    variables: NamedVariables,
    values: Values,
    classifier: bool,
    adapt: bool,
) -> Layers:
    """Returns the layers of heads that keep their values.

    Args:
        model: The model.
        variables: List of pairs: variable, name in the source.
        values: Dictionary, name -> array.
        classifier: Whether to load the classifiers.
        adapt: Whether heads that the source does not fill keep their values.
            It lacks their variables, or has them in another shape: the
            classifier of other classes, the auxiliary head's convolution for
            another size of images.
    """
    given = {
        id(variable): values[name].shape
        for variable, name in variables
        if name in values
    }

    def keeps(layer):
        if layer.name in HEADS and not classifier:
            return True
        unmatched = (given.get(id(w)) != tuple(w.shape) for w in layer.weights)
        return adapt and any(unmatched)

    return tuple(x for x in select_layers(model, is_head) if keeps(x))


def without_foreign(values: Values, ours: Callable[[str], bool]) -> Values:
    """Leaves out the layers that the user of a network added; warns of them.

    Args:
        values: Dictionary, name -> array.
        ours: Function of a layer's name, the first part of such a name:
            whether networks of this kind have such layers.

    Returns:
        The remaining values.
    """
    foreign = {name for name in values if not ours(name.split("/")[0])}
    if foreign and len(foreign) < len(values):
        layers = sorted({name.split("/")[0] for name in foreign})
        logger.warning(
            "Passed over, layers that are not of a NASNet: %s.",
            ", ".join(layers),
        )
        return {n: v for n, v in values.items() if n not in foreign}
    return values


def layer_names(layers: Layers) -> tuple[str, ...]:
    """Returns the names of layers."""
    return tuple(layer.name for layer in layers)


def weight_ids(layers: Layers) -> set[int]:
    """Returns the `id` of each weight of the layers."""
    return {id(weight) for layer in layers for weight in layer.weights}


def leave_out(
    variables: NamedVariables,
    values: Values,
    fresh: Layers,
    model: keras.Model,
    scopes: Mapping[str, str],
) -> tuple[NamedVariables, Values, tuple[str, ...]]:
    """Leaves out fresh layers, and heads that the model lacks.

    Args:
        variables: List of pairs: variable, name in the source.
        values: Dictionary, name -> array.
        fresh: Layers that keep their values.
        model: The model.
        scopes: Dictionary, head -> prefix of its names in the source.

    Returns:
        The remaining variables and values, and the names passed over.
    """
    kept = weight_ids(fresh)
    lacking = tuple(
        scope for head, scope in scopes.items() if not has_layer(model, head)
    )
    passed_over = {name for name in values if name.startswith(lacking)}
    passed_over |= {
        name for variable, name in variables if id(variable) in kept
    }
    return (
        [pair for pair in variables if id(pair[0]) not in kept],
        {n: v for n, v in values.items() if n not in passed_over},
        tuple(sorted(passed_over & set(values))),
    )


def assign(
    model: keras.Model,
    variables: NamedVariables,
    values: Values,
    fresh: Layers,
    source: Any,
) -> None:
    """Assigns all values, or none if a name or a shape does not match.

    Raises:
        WeightsError: If one does not match.
    """
    wanted = {name: variable.shape for variable, name in variables}
    named = {id(variable) for variable, _ in variables} | weight_ids(fresh)
    for weight in model.weights:
        if id(weight) not in named:  # Such a source has no name for it.
            wanted[weight.path] = weight.shape
    given = {name: value.shape for name, value in values.items()}
    check_shapes(source, wanted, given)
    for variable, name in variables:
        variable.assign(values[name])


def check_shapes(source: Any, wanted: Shapes, given: Shapes) -> None:
    """Raises WeightsError unless names and shapes agree."""
    misshapen = [
        f"{name} {tuple(given[name])} for {tuple(shape)}"
        for name, shape in wanted.items()
        if name in given and tuple(given[name]) != tuple(shape)
    ]
    missing = sorted(set(wanted) - set(given))
    extra = sorted(set(given) - set(wanted))
    differences = {"missing": missing, "extra": extra, "misshapen": misshapen}
    if not any(differences.values()):
        return
    lines = [f"`{source}` does not hold the weights of this network."]
    for kind, names in differences.items():
        if names:
            shown = ", ".join(names[:10]) + ", ..." * (len(names) > 10)
            lines.append(f"{len(names)} {kind}: {shown}")
    lines.append("Nothing was loaded.")
    raise WeightsError("\n".join(lines), missing, extra, misshapen)
