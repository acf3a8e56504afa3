"""Predictions of a network for image files, a batch in memory at a time."""

import dataclasses
import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import keras
import numpy as np

from nasnet_keras.images.imagenet import class_index
from nasnet_keras.layers.image_axes import image_shape, split_shape
from nasnet_keras.model_files.contract import (
    NOTHING,
    PIXELS,
    Said,
    main_output,
    pixel_range,
    preset_contract,
)
from nasnet_keras.model_files.graph import image_format
from nasnet_keras.model_files.standard import standardized
from nasnet_keras.presets import find_weights
from nasnet_keras.presets.types import Preset
from nasnet_keras.weights import Loaded
from nasnet_keras.zoo import build_preset


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


def check_for_model(weights: Any) -> None:
    """Raises ValueError if weights are given for a model that has its own."""
    if weights is not None:
        raise ValueError(
            "--model has its weights: --weights is for presets. "
            f"Received: weights={str(weights)!r}"
        )


def check_for_preset(preset: Preset, said: Said) -> None:
    """Raises ValueError if it is said what a preset says itself.

    A folder may hold a network without preprocessing, trained on any range.
    """
    if said.from_logits is None and (preset.folder or said.input_range is None):
        return
    raise ValueError(
        f"{said.name('from_logits')} is for a model, and "
        f"{said.name('input_range')} for a model or a preset's folder: a "
        "preset says itself what it takes and gives. "
        f"Received: input_range={said.input_range!r}, "
        f"from_logits={said.from_logits!r}"
    )


def load_network(
    preset: Preset,
    weights: Any = None,
    image_size: int | None = None,
    said: Said = NOTHING,
) -> keras.Model:
    """Builds the network of a preset, with trained weights.

    Args:
        preset: `Preset`. Preprocessing of its own (`"whiten"`) is kept.
        weights: See `required_weights`.
        image_size: Optional integer, side of the images in place of its own.
        said: `Said`, which values the network of a folder takes that has no
            preprocessing. Registered presets take -1 to 1.

    Returns:
        A `keras.Model` that takes images of 0 to 255 and gives probabilities.

    Raises:
        ValueError: If there are no weights, or they are of a network without
            classifier, of other classes or channels; or if it is not known
            which values it takes.
    """
    check_for_preset(preset, said)
    weights = required_weights(preset, weights)
    found = find_weights(preset, weights)
    own = {**preset.configuration, **(found.configuration if found else {})}
    model, _, loaded = build_preset(
        preset, weights, **_overrides(preset, own, image_size)
    )
    _check_trained(preset, weights, model, loaded)
    source = f"The preset {preset.name!r}"
    taken = pixel_range(model, {}, source, said) if preset.folder else PIXELS
    contract = preset_contract(model, source)
    contract = dataclasses.replace(contract, input_range=taken)
    return standardized(model, contract)


def _overrides(
    preset: Preset, own: dict[str, Any], image_size: int | None
) -> dict[str, Any]:
    """Arguments of the network in place of its `own`."""
    activation = own.get("classifier_activation", "softmax")
    if activation in (None, "linear"):
        # Probabilities, not logits; a single output is a sigmoid's.
        activation = "sigmoid" if own.get("classes") == 1 else "softmax"
    overrides: dict[str, Any] = {"classifier_activation": activation}
    if preset.folder is None:
        preprocessing = own.get("include_preprocessing") or True
        overrides["include_preprocessing"] = preprocessing
    if image_size not in (None, preset.image_size):
        overrides["input_shape"] = _shape(own, image_size)
    return overrides


def _check_trained(
    preset: Preset, weights: Any, model: keras.Model, loaded: Loaded | None
) -> None:
    """Raises ValueError unless the network answers as it was trained to."""
    if loaded is None:
        return
    classes = main_output(model.output).shape[-1]
    if "predictions" in loaded.fresh:
        raise ValueError(
            f"{weights} has no classifier for the {classes} classes of the "
            f"preset {preset.name!r}; a random one predicts nothing. Give the "
            "preset of the network whose weights these are, or train its "
            "classifier (nasnet train --weights)."
        )
    if loaded.adapted:
        raise ValueError(
            f"{weights} is for images with another number of channels than "
            f"the {input_channels(model)} of the preset {preset.name!r}. Give "
            "the preset of the network whose weights these are."
        )


def _shape(configuration: dict[str, Any], side: int | None) -> tuple:
    """The shape of other images, with the channels of the preset's."""
    data_format = keras.config.image_data_format()
    given = configuration.get("input_shape")
    channels = split_shape((None, *given), data_format)[3] if given else 3
    return image_shape(side, data_format, channels)


def input_channels(model: keras.Model) -> int:
    """Returns the number of channels of a model's images."""
    return split_shape(model.input_shape, image_format(model))[-1]


def with_channels(images: np.ndarray, channels: int) -> np.ndarray:
    """Returns images in memory as colour or grey images.

    Args:
        images: uint8 `(number, height, width, 3 or 1)`.
        channels: 3 or 1. Grey is computed as Pillow does (ITU-R 601-2).
    """
    if images.shape[-1] == channels:
        return images
    if channels == 3:
        return np.repeat(images, 3, axis=-1)
    weights = np.array([19595, 38470, 7471], "uint32")
    grey = (images.astype("uint32") @ weights + 0x8000) >> 16
    return grey.astype("uint8")[..., None]


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
    if image_format(model) == "channels_first":
        images = np.moveaxis(images, -1, 1)
    return np.asarray(main_output(model.predict_on_batch(images)))


def predictions(
    model: keras.Model,
    examples: Iterable[tuple[Any, np.ndarray]],
    batch_size: int,
) -> Iterator[tuple[list, np.ndarray]]:
    """Predicts images one batch after the other.

    Args:
        model: See `predict_scores`; it takes values of 0 to 255.
        examples: Iterable of pairs: a key, an image as an array of values
            from 0 to 255, channels last.
        batch_size: Positive integer.

    Yields:
        Pairs for each batch: the list of keys, the array `(images, classes)`
        of scores.
    """
    examples = iter(examples)
    while batch := list(itertools.islice(examples, batch_size)):
        keys, images = zip(*batch)
        yield list(keys), predict_scores(model, np.stack(images))
