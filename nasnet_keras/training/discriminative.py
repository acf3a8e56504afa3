"""Learning rates that shrink with the distance from the classifier."""

import keras

from nasnet_keras.cells import NormalCell, ReductionCell

CELLS = (NormalCell, ReductionCell)


def discriminative_optimizer(model, make_optimizer, decay):
    """Returns an optimizer that trains early cells more slowly.

    Howard and Ruder 2018 (arXiv 1801.06146). The classifier is trained with
    the factor 1, the last cell with `decay`, the one before it with
    `decay ** 2`, and so on; the stem with the smallest. What stands between
    two cells, an auxiliary head say, goes with the cell before it.

    Args:
        model: `keras.Model` with cells as layers.
        make_optimizer: Function of a factor (float) that returns a new Keras
            optimizer, for example
            `lambda factor: keras.optimizers.SGD(0.01 * factor, momentum=0.9)`.
        decay: Float above 0 and up to 1.

    Returns:
        A `keras.optimizers.MultiOptimizer`. Clipping by the global norm, where
        the optimizers do it, is by the norm of each one's own variables.

    Raises:
        ValueError: If `decay` is out of range or the model has no cells.
    """
    if not 0 < decay <= 1:
        raise ValueError(
            f"`decay` must be above 0 and up to 1. Received: decay={decay!r}"
        )
    if not any(isinstance(layer, CELLS) for layer in model.layers):
        raise ValueError(
            "`model` must have cells (NormalCell, ReductionCell) as layers. "
            f"Received: model={model.name!r}, which has none. If the network "
            "is a layer of your model, give that layer."
        )
    depths = depth_of_layers(model)
    deepest = max(depths.values())
    factors = {name: decay ** (deepest - d) for name, d in depths.items()}
    optimizers = {f: make_optimizer(f) for f in set(factors.values())}
    head = optimizers.pop(1.0, None) or make_optimizer(1.0)
    rates = {
        f"{name}/.*": optimizers[factor]
        for name, factor in factors.items()
        if factor in optimizers
    }
    return keras.optimizers.MultiOptimizer(
        keras.optimizers.OptimizerMap(head, rates)
    )


def depth_of_layers(model):
    """Returns how many cells a layer has before it, itself counted.

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
