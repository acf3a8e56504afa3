"""The optimizers inside an optimizer, what they count and what they average.

Keras wraps the optimizer of `mixed_float16` in a `LossScaleOptimizer`, and
that of `depth_decay` is a `MultiOptimizer` of several.
"""

import keras


def unscaled(
    optimizer: keras.optimizers.Optimizer,
) -> keras.optimizers.Optimizer:
    """Returns the optimizer inside a `LossScaleOptimizer`, or itself."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def inner_optimizers(
    optimizer: keras.optimizers.Optimizer,
) -> list[keras.optimizers.Optimizer]:
    """Returns the optimizers that update variables.

    Of a `MultiOptimizer`, those for frozen layers have nothing to do and are
    left out.
    """
    optimizer = unscaled(optimizer)
    inner = getattr(optimizer, "optimizers", [optimizer])
    return [each for each in inner if each.built]


def steps_done(optimizer: keras.optimizers.Optimizer) -> int:
    """Returns the training steps that an optimizer has counted.

    With gradient accumulation several of them make one update. Steps that a
    loss scale left out, because of infinite gradients, do not count.
    """
    # A `LossScaleOptimizer` has a counter of its own, which stays 0.
    counter = unscaled(optimizer)._iterations
    return int(keras.ops.convert_to_numpy(counter))


def averages(
    optimizer: keras.optimizers.Optimizer,
) -> list[tuple[keras.Variable, keras.Variable]]:
    """Returns pairs of a trained variable and its moving average."""
    return [
        pair
        for each in inner_optimizers(optimizer)
        if each.use_ema
        for pair in zip(
            each._trainable_variables, each._model_variables_moving_average
        )
    ]
