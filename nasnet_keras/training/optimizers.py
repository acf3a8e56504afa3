"""The optimizer, learning rate, losses and weight decay of a recipe."""

import contextlib
import dataclasses
import warnings

import keras

from nasnet_keras.schedules import WarmUp
from nasnet_keras.training.discriminative import discriminative_optimizer

KERNELS = (
    keras.layers.Conv2D,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv2D,
    keras.layers.Dense,
)


def learning_rate(recipe, steps_per_epoch):
    """Returns the learning rate of a recipe, as a function of updates done.

    Args:
        recipe: `Recipe`.
        steps_per_epoch: Integer, batches of an epoch.

    Returns:
        A `LearningRateSchedule`.
    """
    updates = steps_per_epoch / recipe.accumulation_steps
    warmup = round(recipe.warmup_epochs * updates)
    rates = keras.optimizers.schedules
    if recipe.schedule == "cosine":
        total = max(1, round(recipe.epochs * updates) - warmup)
        schedule = rates.CosineDecay(recipe.learning_rate, total)
    elif recipe.schedule == "exponential":
        schedule = rates.ExponentialDecay(
            recipe.learning_rate,
            decay_steps=max(1, round(recipe.decay_epochs * updates)),
            decay_rate=recipe.decay_rate,
            staircase=True,
        )
    else:
        schedule = rates.PiecewiseConstantDecay([0], [recipe.learning_rate] * 2)
    return WarmUp(schedule, warmup) if warmup else schedule


def make_optimizer(recipe, steps_per_epoch):
    """Returns the optimizer of a recipe, not built.

    Args: see `learning_rate`.
    """
    common = {
        "learning_rate": learning_rate(recipe, steps_per_epoch),
        "momentum": recipe.momentum,
        "global_clipnorm": recipe.clip_norm or None,
        "use_ema": recipe.ema > 0,
        "ema_momentum": recipe.ema or 0.99,
    }
    if recipe.accumulation_steps > 1:
        common["gradient_accumulation_steps"] = recipe.accumulation_steps
    if recipe.optimizer == "sgd":
        return keras.optimizers.SGD(nesterov=recipe.nesterov, **common)
    return keras.optimizers.RMSprop(rho=0.9, epsilon=1.0, **common)


def make_optimizers(model, recipe, steps_per_epoch):
    """Returns the optimizer of a recipe, which may be one for each cell.

    Args: see `make_optimizer`.
        model: `keras.Model` that is to be trained.
    """

    def make(factor):
        rate = recipe.learning_rate * factor
        scaled = dataclasses.replace(recipe, learning_rate=rate)
        return make_optimizer(scaled, steps_per_epoch)

    if recipe.depth_decay == 1:
        return make(1)
    return discriminative_optimizer(model, make, recipe.depth_decay)


@contextlib.contextmanager
def allow_unused_weights():
    """Keras warns of weights without a gradient: those of a cell whose output
    the genotype's next cells pass over."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Gradients do not exist")
        yield


def decay_weights(model, weight_decay):
    """Adds `weight_decay / 2 * sum(w ** 2)` of every kernel to the loss.

    Kernels are those of convolutions and dense layers, as in the authors'
    code; biases and batch normalization do not decay. What is frozen adds
    nothing. It stands on the variables, not in the model's configuration: a
    saved model does not carry it.

    Args:
        model: Built `keras.Model`.
        weight_decay: Float; 0 takes an earlier decay away.

    Returns:
        Integer, how many kernels there are.
    """
    l2 = keras.regularizers.L2(weight_decay / 2) if weight_decay else None
    kernels = [
        variable
        for layer in model._flatten_layers()
        if isinstance(layer, KERNELS)
        for variable in layer.weights
        if variable.name != "bias"
    ]
    for kernel in kernels:
        kernel.regularizer = l2
    return len(kernels)


def compile_model(model, recipe, steps_per_epoch):
    """Compiles a model for a recipe: optimizer, losses, accuracy.

    Labels are one-hot, given once per output.

    Args:
        model: `keras.Model` with probabilities as outputs: `predictions` and,
            where the recipe wants it, `auxiliary_predictions`.
        recipe: `Recipe`.
        steps_per_epoch: Integer.
    """
    decay_weights(model, recipe.weight_decay)
    outputs = len(model.outputs)
    losses = [
        keras.losses.CategoricalCrossentropy(
            label_smoothing=recipe.label_smoothing
        )
        for _ in range(outputs)
    ]
    weights = [1.0, recipe.auxiliary_weight][:outputs]
    metrics = [["accuracy"]] + [[]] * (outputs - 1)
    model.compile(
        make_optimizers(model, recipe, steps_per_epoch),
        loss=losses if outputs > 1 else losses[0],
        loss_weights=weights if outputs > 1 else None,
        metrics=metrics if outputs > 1 else metrics[0],
    )
    # Variables made inside the first step would have TensorFlow trace twice.
    model.optimizer.build(model.trainable_variables)
