"""Learning rates that decrease with the distance from the classifier."""

from collections.abc import Callable

import keras

from nasnet_keras import checks
from nasnet_keras.cells import NormalCell, ReductionCell

CELLS = (NormalCell, ReductionCell)


def discriminative_optimizer(
    model: keras.Model,
    make_optimizer: Callable[[float], keras.optimizers.Optimizer],
    decay: float,
) -> keras.optimizers.Optimizer:
    """Returns an optimizer that trains early cells more slowly.

    Howard and Ruder 2018 (arXiv 1801.06146). The learning rate is multiplied
    by 1 for the classifier, by `decay` for the last cell, by `decay ** 2` for
    the one before it, and so on down to the stem. Layers between two cells,
    such as an auxiliary head, have the factor of the cell before them.

    Args:
        model: `keras.Model` with cells as layers.
        make_optimizer: Function of a factor (float) that returns a new Keras
            optimizer, for example
            `lambda factor: keras.optimizers.SGD(0.01 * factor, momentum=0.9)`.
        decay: Float above 0 and up to 1.

    Returns:
        A `keras.optimizers.MultiOptimizer`. If its optimizers clip by the
        global norm, each uses the norm of its own variables.

    Raises:
        ValueError: If `decay` is out of range or the model has no cells.
    """
    decay = checks.number("decay", decay, above=0, most=1)
    if not any(isinstance(layer, CELLS) for layer in model.layers):
        raise ValueError(
            "`model` must have cells (NormalCell, ReductionCell) as layers. "
            f"Received: model={model.name!r}, which has none. If the network "
            "is a layer of your model, give that layer."
        )
    depths = depth_of_layers(model)
    deepest = max(depths.values())
    factors = {
        name: decay ** (deepest - depth) for name, depth in depths.items()
    }
    optimizers = {
        factor: make_optimizer(factor) for factor in set(factors.values())
    }
    default = optimizers.pop(1.0, None) or make_optimizer(1.0)
    by_path = {
        f"{name}/.*": optimizers[factor]
        for name, factor in factors.items()
        if factor in optimizers
    }
    return keras.optimizers.MultiOptimizer(
        keras.optimizers.OptimizerMap(default, by_path)
    )


def depth_of_layers(model: keras.Model) -> dict[str, int]:
    """Returns the number of cells up to and including each layer.

    The classifier's depth is one more than the last cell's.

    Args:
        model: `keras.Model`.

    Returns:
        Dictionary: name of a layer with weights -> integer.
    """
    depth, depths = 0, {}
    for layer in model.layers:
        depth += isinstance(layer, CELLS)
        if layer.weights:
            is_head = layer.name == "predictions"
            depths[layer.name] = depth + is_head
    return depths
