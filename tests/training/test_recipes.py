"""Recipes: the authors' settings, and invalid ones."""

import dataclasses
import json
import math

import numpy as np
import pytest

from nasnet_keras.training import recipes
from nasnet_keras.training.recipes import RECIPES, Recipe, get_recipe


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_tells_what_it_takes(name):
    assert isinstance(get_recipe(name), Recipe)
    text = __import__(f"{recipes.__name__}.{name}", fromlist="RECIPE").__doc__
    assert "nasnet train" in text and f"--recipe {name}" in text
    assert "Hardware: " in text and "Expected: " in text


def test_the_authors_cifar10_recipe():
    recipe = get_recipe("cifar10")
    assert recipe.epochs * 50_000 / recipe.batch_size == 937_500
    assert (recipe.learning_rate, recipe.clip_norm) == (0.025, 5)
    assert (recipe.auxiliary_weight, recipe.drop_path_rate) == (0.4, 0.4)
    assert (recipe.weight_decay, recipe.cutout, recipe.whiten) == (5e-4, 16, 1)


@pytest.mark.parametrize(
    "name, rate, drop_path, decay, side",
    [
        ("imagenet_mobile", 0.04, 0.0, 4e-5, 224),
        ("imagenet_large", 0.015, 0.3, 5e-5, 331),
    ],
)
def test_the_authors_imagenet_recipes(name, rate, drop_path, decay, side):
    recipe = get_recipe(name)
    replicas = recipe.batch_size / 32
    assert recipe.learning_rate == pytest.approx(rate * replicas)
    assert (recipe.optimizer, recipe.schedule) == ("rmsprop", "exponential")
    assert (recipe.decay_rate, recipe.decay_epochs) == (0.97, 2.4)
    assert (recipe.label_smoothing, recipe.clip_norm) == (0.1, 10)
    assert (recipe.ema, recipe.dropout_rate) == (0.9999, 0.5)
    assert (recipe.drop_path_rate, recipe.weight_decay) == (drop_path, decay)
    assert recipe.image_size == side


def test_growing_sizes():
    recipe = Recipe(
        epochs=5, batch_size=1, learning_rate=1, growing_sizes=((2, 8), (1, 16))
    )
    sizes = [recipe.size_in(epoch) for epoch in range(5)]
    assert sizes == [8, 8, 16, 32, 32]


@pytest.mark.parametrize(
    "name, value",
    [
        ("epochs", 0),
        ("batch_size", -1),
        ("learning_rate", 0.0),
        ("weight_decay", -1e-4),
        ("label_smoothing", 1.0),
        ("drop_path_rate", -0.1),
        ("ema", 1.0),
        ("optimizer", "adam"),
        ("schedule", "linear"),
        ("augmentation", "imagenet"),
        ("accumulation_steps", 0),
        ("depth_decay", 0.0),
        ("growing_sizes", ((99, 16),)),
        ("growing_sizes", ((1, 0),)),
        ("growing_sizes", ((-1, 16),)),
        ("growing_sizes", (1, 16)),
        ("growing_sizes", ((1, 16, 3),)),
        ("growing_sizes", "1x16"),
        ("epochs", True),
        ("epochs", 1.5),
        ("momentum", math.nan),
        ("momentum", 1.5),
        ("decay_rate", math.nan),
        ("decay_rate", 0),
        ("decay_epochs", 0),
        ("warmup_epochs", math.inf),
        ("weight_decay", math.inf),
        ("learning_rate", math.inf),
        ("learning_rate", "0.1"),
        ("clip_norm", math.nan),
        ("image_size", 0),
        ("image_size", 100_000),
        ("cutout", 1.0),
        ("nesterov", 1),
        ("optimizer", None),
    ],
)
def test_errors_name_the_setting(name, value):
    with pytest.raises(
        ValueError, match=f"(?s)`{name}` must be .*Received: {name}"
    ):
        dataclasses.replace(get_recipe("cifar10_short"), **{name: value})


def test_every_setting_is_checked():
    """And so refuses what is no value of any setting."""
    for field in dataclasses.fields(Recipe):
        with pytest.raises(ValueError, match=f"Received: {field.name}="):
            dataclasses.replace(
                get_recipe("cifar10_short"), **{field.name: {"no": "value"}}
            )


def test_numpy_numbers_are_numbers():
    """They are kept as Python's, which JSON can hold."""
    recipe = Recipe(
        epochs=np.int64(3),
        batch_size=np.int32(8),
        learning_rate=np.float32(0.5),
        nesterov=np.True_,
        growing_sizes=[[np.int64(1), np.int64(16)]],
    )
    same = Recipe(3, 8, 0.5, nesterov=True, growing_sizes=((1, 16),))
    assert recipe == same
    assert json.dumps(dataclasses.asdict(recipe)) == json.dumps(
        dataclasses.asdict(same)
    )


def test_growing_sizes_and_auxiliary_head():
    with pytest.raises(ValueError, match="exclude each other"):
        dataclasses.replace(get_recipe("cifar10"), growing_sizes=((1, 16),))


def test_unknown_recipe():
    with pytest.raises(
        ValueError, match=r"cifar10_short.*Received: recipe='x'"
    ):
        get_recipe("x")
