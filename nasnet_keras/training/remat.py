"""Trades time for memory: activations of cells are computed again."""

import keras

from nasnet_keras.cells import NormalCell, ReductionCell
from nasnet_keras.checks import flag
from nasnet_keras.layers.walk import all_layers


def rematerialize(model: keras.Model, enabled: bool = True) -> int:
    """Makes the cells of a model keep no activations in training.

    Between forward and backward pass the outputs of cells alone are kept; what
    is inside is computed again, one cell at a time. Results are the same, a
    step takes longer. Call it before the model is compiled. It is no part of
    what is saved.

    Args:
        model: `keras.Model`.
        enabled: Boolean; `False` undoes it.

    Returns:
        Integer, the number of cells.

    Raises:
        ValueError: If the model has no cells.
    """
    enabled = flag("enabled", enabled)
    found = [
        layer
        for layer in all_layers(model)
        if isinstance(layer, (NormalCell, ReductionCell))
    ]
    if not found:
        raise ValueError(
            "`model` must have NormalCell or ReductionCell layers. Received: "
            f"model={model!r}, which has none."
        )
    for layer in found:
        layer.remat = enabled
    return len(found)
