"""Builds the network of a recipe."""

import os
from typing import Any

import keras

from nasnet_keras.layers.image_axes import image_shape
from nasnet_keras.model_files.contract import square_images
from nasnet_keras.model_files.graph import image_format
from nasnet_keras.presets.types import Preset
from nasnet_keras.training.data import Dataset
from nasnet_keras.training.recipes import Recipe
from nasnet_keras.zoo import from_preset


def build_for_recipe(
    preset: str | os.PathLike | Preset,
    recipe: Recipe,
    dataset: Dataset,
    weights: str | os.PathLike | None = None,
    **options: Any,
) -> keras.Model:
    """Returns the network of a preset, configured for a recipe and a dataset.

    It takes images of 0 to 255, of any size unless it has the auxiliary head,
    and returns probabilities.

    Args:
        preset: A preset's name, folder or `Preset`.
        recipe: `Recipe`.
        dataset: `nasnet_keras.training.data.Dataset`.
        weights: As in `from_preset`; random by default.
        options: Other arguments of `nasnet_keras.NASNet`.
    """
    auxiliary_head = recipe.auxiliary_weight > 0
    side = recipe.image_size if auxiliary_head else None
    data_format = keras.config.image_data_format()
    return from_preset(
        preset,
        weights=weights,
        classes=len(dataset.classes),
        input_shape=image_shape(side, data_format, dataset.input_shape[-1]),
        auxiliary_head=auxiliary_head,
        drop_path_rate=recipe.drop_path_rate,
        dropout_rate=recipe.dropout_rate,
        include_preprocessing=recipe.preprocessing,
        **options,
    )


def check_channels_last() -> None:
    """Raises ValueError if Keras is set to channels first.

    The feeds give images to train on with channels last.
    """
    if keras.config.image_data_format() == "channels_first":
        raise ValueError(
            "Images to train on have channels last, but Keras is set to "
            "channels first. Set `image_data_format` to 'channels_last' in "
            "keras.json, or by `keras.config.set_image_data_format`."
        )


def check_images(
    source: str, model: keras.Model, recipe: Recipe, dataset: Dataset
) -> None:
    """Raises ValueError unless a model takes the images of a training.

    Args:
        source: What the model is called in the message.
        model: `keras.Model`.
        recipe: `Recipe`.
        dataset: `nasnet_keras.training.data.Dataset`.
    """
    side, channels = square_images(model, source)
    given = dataset.input_shape[-1]
    sides = {recipe.image_size, *(each for _, each in recipe.growing_sizes)}
    if image_format(model) == "channels_first":
        raise ValueError(
            f"{source} takes images with channels first; images to train on "
            "have channels last. Build the network with channels last."
        )
    if channels != given:
        raise ValueError(
            f"{source} takes images with {channels} channels; those of "
            f"{dataset.name} have {given}."
        )
    if side is not None and sides != {side}:
        raise ValueError(
            f"{source} takes images of {side} pixels alone. Received: images "
            f"of {', '.join(map(str, sorted(sides)))} pixels. Give "
            f"`image_size` {side}, without `growing_sizes`."
        )
