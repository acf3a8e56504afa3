"""Predictions of a network for image files, a batch in memory at a time."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import keras
import numpy as np

import nasnet_keras
from nasnet_keras.images.imagenet import class_index
from nasnet_keras.layers.image_axes import split_shape
from nasnet_keras.presets.types import Preset


def required_weights(preset: Preset, weights: Any = None) -> Any:
    """Returns the weights to load: those asked for, else the preset's own.

    Args:
        preset: `Preset`.
        weights: Optional string: a name of its weights, or a path.

    Raises:
        ValueError: If there are none: random weights predict nothing.
    """
    weights = weights or preset.own_weights
    if weights is None:
        raise ValueError(
            f"The preset {preset.name!r} has no weights of its own, and random "
            "weights predict nothing. Give --weights, the path of a weights "
            "file."
        )
    return weights


def load_network(
    preset: Preset, weights: Any = None, include_preprocessing: bool = False
) -> keras.Model:
    """Builds the network of a preset, with trained weights.

    Args:
        preset: `Preset`.
        weights: See `required_weights`.
        include_preprocessing: Whether the network takes values of 0 to 255.

    Returns:
        A `keras.Model` that takes images from -1 to 1, or from 0 to 255.

    Raises:
        ValueError: If there are no weights.
    """
    weights = required_weights(preset, weights)
    activation = preset.configuration.get("classifier_activation", "softmax")
    if activation in (None, "linear"):  # Probabilities, not logits.
        activation = "softmax"
    return nasnet_keras.from_preset(
        preset,
        weights=weights,
        classifier_activation=activation,
        include_preprocessing=include_preprocessing,
    )


def input_channels(model: keras.Model) -> int:
    """Returns the number of channels of a model's images."""
    data_format = keras.config.image_data_format()
    return split_shape(model.input_shape, data_format)[-1]


def class_names(preset: Preset, scores: np.ndarray) -> list[str]:
    """Returns a name for each class of a network.

    Args:
        preset: `Preset`.
        scores: Array `(images, classes)`, outputs of its network.

    Returns:
        List of strings: the preset's names, with WordNet ids for ImageNet
        (where two classes are called "crane"), or numbers if it has no names.

    Raises:
        ValueError: If the network has another number of classes.
    """
    if preset.class_names is None:
        names = [f"class {number}" for number in range(scores.shape[-1])]
    elif preset.class_names == "imagenet":
        names = [f"{name} ({wnid})" for wnid, name in class_index()]
    else:
        names = list(preset.class_names)
    check_classes(preset, len(names), scores.shape)
    return names


def check_classes(preset: Preset, classes: int, shape: tuple) -> None:
    """Raises ValueError unless a network has the classes of its preset.

    Args:
        preset: `Preset`.
        classes: Integer, the classes that it names.
        shape: Tuple, the shape of the network's output.
    """
    if len(shape) != 2 or shape[1] != classes:
        raise ValueError(
            f"The preset {preset.name!r} names {classes} classes, but its "
            f"network's output has the shape {shape}. Correct the class names "
            "of the preset, or take the weights of its classes."
        )


def predict_scores(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """Returns a model's class scores for a batch.

    Args:
        model: `keras.Model`. Of several outputs (an auxiliary head's) the
            first is taken.
        images: Array `(batch, height, width, channels)`.
    """
    if keras.config.image_data_format() == "channels_first":
        images = np.moveaxis(images, -1, 1)
    outputs = model.predict_on_batch(images)
    if isinstance(outputs, (list, tuple)):
        outputs = outputs[0]
    return np.asarray(outputs)


def predictions(
    model: keras.Model,
    examples: Iterable[tuple[Any, np.ndarray]],
    batch_size: int,
    preprocess: Callable | None = None,
) -> Iterator[tuple[list, np.ndarray]]:
    """Predicts images one batch after the other.

    Args:
        model: See `predict_scores`.
        examples: Iterable of pairs: a key, an image as an array of values
            from 0 to 255, channels last.
        batch_size: Positive integer.
        preprocess: Optional function that scales a batch for a model that
            does not take 0 to 255.

    Yields:
        Pairs for each batch: the list of keys, the array `(images, classes)`
        of scores.
    """
    examples = iter(examples)
    while batch := list(itertools.islice(examples, batch_size)):
        keys, images = zip(*batch)
        x = np.stack(images)
        x = x if preprocess is None else preprocess(x)
        yield list(keys), predict_scores(model, x)
