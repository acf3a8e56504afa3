"""Builds the network of a recipe."""

import os
from typing import Any

import keras

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
    return from_preset(
        preset,
        weights=weights,
        classes=len(dataset.classes),
        input_shape=(side, side, dataset.input_shape[-1]),
        auxiliary_head=auxiliary_head,
        drop_path_rate=recipe.drop_path_rate,
        dropout_rate=recipe.dropout_rate,
        include_preprocessing=recipe.preprocessing,
        **options,
    )
