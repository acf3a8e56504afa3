"""The optimizer, learning rate, losses and weight decay of a recipe."""

import contextlib
import dataclasses
import warnings
from collections.abc import Iterator

import keras

from nasnet_keras.averages import AveragingRMSprop, AveragingSGD
from nasnet_keras.layers.variables import shared_names
from nasnet_keras.layers.walk import all_layers
from nasnet_keras.momentum import MomentumSGD
from nasnet_keras.schedules import OfUpdates, WarmUp
from nasnet_keras.training.discriminative import discriminative_optimizer
from nasnet_keras.training.recipes import Recipe

KERNELS = (
    keras.layers.Conv2D,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv2D,
    keras.layers.Dense,
)


def learning_rate(
    recipe: Recipe, steps_per_epoch: int
) -> keras.optimizers.schedules.LearningRateSchedule:
    """Returns the learning rate of a recipe, as a function of steps done.

    With `accumulation_steps` it changes from update to update, and ends as it
    would after as many steps that are updates.

    Args:
        recipe: `Recipe`.
        steps_per_epoch: Integer, the number of batches of an epoch, a
            multiple of `accumulation_steps`.

    Returns:
        A `LearningRateSchedule`.
    """
    per_epoch = steps_per_epoch / recipe.accumulation_steps
    warmup = round(recipe.warmup_epochs * per_epoch)
    schedules = keras.optimizers.schedules
    if recipe.schedule == "cosine":
        steps = recipe.total_steps(steps_per_epoch)
        total = max(1, round(steps / recipe.accumulation_steps) - warmup)
        schedule = schedules.CosineDecay(recipe.learning_rate, total)
    elif recipe.schedule == "exponential":
        schedule = schedules.ExponentialDecay(
            recipe.learning_rate,
            decay_steps=max(1, round(recipe.decay_epochs * per_epoch)),
            decay_rate=recipe.decay_rate,
            staircase=True,
        )
    else:
        schedule = schedules.PiecewiseConstantDecay(
            [0], [recipe.learning_rate] * 2
        )
    if warmup:
        schedule = WarmUp(schedule, warmup)
    if recipe.accumulation_steps > 1:
        schedule = OfUpdates(schedule, recipe.accumulation_steps)
    return schedule


def make_optimizer(
    recipe: Recipe, steps_per_epoch: int
) -> keras.optimizers.Optimizer:
    """Returns the optimizer of a recipe, not built.

    Args: see `learning_rate`.
    """
    common = {
        "learning_rate": learning_rate(recipe, steps_per_epoch),
        "momentum": recipe.momentum,
        "global_clipnorm": recipe.clip_norm or None,
    }
    sgd, rmsprop = MomentumSGD, keras.optimizers.RMSprop
    if recipe.ema:
        common.update(use_ema=True, ema_momentum=recipe.ema)
        sgd, rmsprop = AveragingSGD, AveragingRMSprop
    if recipe.accumulation_steps > 1:
        common["gradient_accumulation_steps"] = recipe.accumulation_steps
    if recipe.optimizer == "sgd":
        return sgd(nesterov=recipe.nesterov, **common)
    return rmsprop(rho=0.9, epsilon=1.0, **common)


def make_optimizers(
    model: keras.Model, recipe: Recipe, steps_per_epoch: int
) -> keras.optimizers.Optimizer:
    """Returns the optimizer of a recipe; one per cell with `depth_decay`.

    Args: see `make_optimizer`.
        model: `keras.Model` to train.
    """

    def make(factor):
        rate = recipe.learning_rate * factor
        scaled = dataclasses.replace(recipe, learning_rate=rate)
        return make_optimizer(scaled, steps_per_epoch)

    if recipe.depth_decay == 1:
        return make(1)
    return discriminative_optimizer(model, make, recipe.depth_decay)


@contextlib.contextmanager
def allow_unused_weights() -> Iterator[None]:
    """Silences Keras' warning about weights without a gradient.

    A cell whose output no later cell uses has such weights.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Gradients do not exist")
        yield


def decay_weights(model: keras.Model, weight_decay: float) -> int:
    """Adds `weight_decay / 2 * sum(w ** 2)` of every kernel to the loss.

    As in the authors' code, kernels of convolutions and dense layers decay,
    biases and batch normalization do not. Frozen kernels add nothing. The
    regularizer is set on the variables, not in the model's configuration, so
    a saved model does not contain it.

    Args:
        model: Built `keras.Model`.
        weight_decay: Float; 0 removes an earlier decay.

    Returns:
        Integer, the number of kernels.
    """
    l2 = keras.regularizers.L2(weight_decay / 2) if weight_decay else None
    kernels = [
        variable
        for layer in all_layers(model)
        if isinstance(layer, KERNELS)
        for variable in layer.weights
        if variable.name != "bias"
    ]
    for kernel in kernels:
        kernel.regularizer = l2
    return len(kernels)


def compile_model(
    model: keras.Model,
    recipe: Recipe,
    steps_per_epoch: int,
    optimizer: keras.optimizers.Optimizer | None = None,
) -> None:
    """Compiles a model for a recipe: optimizer, losses, accuracy.

    Labels are one-hot, repeated for each output.

    Args:
        model: `keras.Model` with probabilities as outputs: `predictions` and,
            if the recipe has an `auxiliary_weight`, `auxiliary_predictions`.
        recipe: `Recipe`.
        steps_per_epoch: Integer.
        optimizer: Optional optimizer in place of the recipe's.
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
        optimizer or make_optimizers(model, recipe, steps_per_epoch),
        loss=losses if outputs > 1 else losses[0],
        loss_weights=weights if outputs > 1 else None,
        metrics=metrics if outputs > 1 else metrics[0],
    )
    # TensorFlow traces twice if the first step creates variables: those of
    # the optimizer and of the metrics.
    with shared_names():
        model.optimizer.build(model.trainable_variables)
    _build_metrics(model)


def _build_metrics(model):
    labels = [keras.ops.zeros((1, x.shape[-1])) for x in model.outputs]
    labels = labels if len(labels) > 1 else labels[0]
    model.compute_metrics(None, labels, labels)
    model.reset_metrics()
