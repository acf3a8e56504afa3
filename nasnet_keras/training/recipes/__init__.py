"""Recipes by name; the docstring of each file has command and hardware."""

import importlib

from nasnet_keras.training.recipes.recipe import Recipe as Recipe

RECIPES = (
    "cifar10",
    "cifar10_gpu",
    "cifar10_short",
    "cifar10_small",
    "fine_tuning",
    "imagenet_large",
    "imagenet_mobile",
)


def get_recipe(name: str) -> Recipe:
    """Returns the recipe of a name.

    Raises:
        ValueError: If the name is unknown.
    """
    if name not in RECIPES:
        raise ValueError(
            f"`recipe` must be one of {', '.join(RECIPES)}. "
            f"Received: recipe={name!r}"
        )
    return importlib.import_module(f"{__name__}.{name}").RECIPE
