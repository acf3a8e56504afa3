"""The weights that are evaluated and saved: averages, and statistics to fit.

Training does not use the moving statistics of batch normalization, evaluation
does. They lag behind the weights: with a momentum of 0.9997, as in ImageNet's
networks, they are still the initial ones after hundreds of steps; and they are
those of the trained weights, not of their averages. So they are estimated anew
before a network is evaluated or saved (Wu and Johnson 2021, arXiv 2105.07576,
"PreciseBN").
"""

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

from nasnet_keras.layers.drop_path import drop_path_layers
from nasnet_keras.layers.walk import all_layers
from nasnet_keras.training.data.tfrecords import Records
from nasnet_keras.training.inner_optimizers import averages

IMAGES = 1024  # Which the paper finds to be enough.
# Fewer at a time would differ too much from each other: a network normalized
# by the statistics of each is not the one that their means normalize. Small
# images in large batches take less time: it does not depend on their number.
LEAST_BATCH, SMALL_SIDE, BATCH_OF_SMALL = 32, 64, 256


def learning_norms(
    model: keras.Layer,
) -> list[keras.layers.BatchNormalization]:
    """Returns the batch normalization layers that are not frozen."""
    return [
        layer
        for layer in all_layers(model)
        if isinstance(layer, keras.layers.BatchNormalization)
        and layer.trainable
    ]


def estimate_batch_norm(model: keras.Model, batches: Iterable[Any]) -> None:
    """Sets the moving statistics of batch normalization from images.

    They become the means of the batches' means and variances, without drop
    path. Frozen layers keep theirs, and nothing else changes.

    Args:
        model: Built `keras.Model`.
        batches: Iterable of batches of its inputs, at least one, in an order
            that mixes the classes.
    """
    norms = learning_norms(model)
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    states = _random_states(model)
    before = _copies(states)
    try:
        for layer in drop_path_layers(model):
            layer.set_progress(0)
        seen = 0
        for images in batches:
            # A mean over all images so far is an average of this momentum.
            momentum = seen / (seen + len(images))
            seen += len(images)
            for norm in norms:
                norm.momentum = momentum
            model(images, training=True)
    finally:
        for norm, momentum in zip(norms, momenta):
            norm.momentum = momentum
        for state, value in zip(states, before):
            state.assign(value)


def use_evaluated_weights(model: keras.Model, batches: Iterable[Any]) -> None:
    """Replaces the trained weights by those to evaluate.

    Args:
        model: Compiled `keras.Model`.
        batches: See `estimate_batch_norm`.
    """
    pairs = averages(model.optimizer)
    # Copies: JAX gives the memory of a variable away in a compiled step, and
    # the average would go with it.
    values = _copies(average for _, average in pairs)
    for (variable, _), value in zip(pairs, values):
        variable.assign(value)
    estimate_batch_norm(model, batches)


class EvaluatedWeights(keras.callbacks.Callback):
    """Evaluates with `use_evaluated_weights`, trains on with the others.

    Args:
        model: Compiled `keras.Model`: the trained one, or its student.
        batches: See `estimate_batch_norm`; iterated in each evaluation.
    """

    def __init__(self, model: keras.Model, batches: Iterable[Any]) -> None:
        super().__init__()
        self._evaluated = model
        self.batches = batches

    def on_test_begin(self, logs=None):
        pairs = averages(self._evaluated.optimizer)
        variables = [variable for variable, _ in pairs]
        for norm in learning_norms(self._evaluated):
            variables += [norm.moving_mean, norm.moving_variance]
        self._trained = list(zip(variables, _copies(variables)))
        use_evaluated_weights(self._evaluated, self.batches)

    def on_test_end(self, logs=None):
        for variable, value in self._trained:
            variable.assign(value)
        self._trained = []


class EstimateBatchNorm(keras.callbacks.Callback):
    """Calls `estimate_batch_norm` after each epoch.

    Args:
        batches: See there; iterated after each epoch.
    """

    def __init__(self, batches: Iterable[Any]) -> None:
        super().__init__()
        self.batches = batches

    def on_epoch_end(self, epoch, logs=None):
        estimate_batch_norm(self.model, self.batches)


class ImageBatches:
    """The images of labelled batches, as arrays; can be iterated repeatedly.

    Args:
        batches: Iterable of pairs of images and labels.
    """

    def __init__(self, batches: Iterable[Any]) -> None:
        self.batches = batches

    def __iter__(self):
        return (np.asarray(images) for images, _ in self.batches)


def sample(part: tuple[Any, Any], number: int, seed: int) -> tuple[Any, Any]:
    """Returns images of a dataset's part, drawn at random, and their labels.

    Args:
        part: As in `nasnet_keras.training.data.Dataset`.
        number: Integer, the number of images; all if the part has fewer.
        seed: Integer.
    """
    images, labels = part
    number = min(number, len(images))
    if isinstance(images, Records):  # Their order is random already.
        return images.first(number), labels
    order = np.random.default_rng([seed, 4]).permutation(len(images))
    return images[order[:number]], labels[order[:number]]


def _random_states(model):
    """Rates of drop path and the states of all random generators."""
    layers = all_layers(model)
    generators = [getattr(x, "seed_generator", None) for x in layers]
    generators += [x.current_rate for x in drop_path_layers(model)]
    return [each.state for each in generators if each is not None]


def _copies(variables):
    return [np.array(keras.ops.convert_to_numpy(v)) for v in variables]
