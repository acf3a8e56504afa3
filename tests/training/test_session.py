"""A training's data: what is stored of them, what is refused at once."""

import json

import numpy as np
import pytest

from nasnet_keras.model_files import read_about
from nasnet_keras.training.recipes import get_recipe
from nasnet_keras.training.recipes.recipe import Recipe
from tests.support.commands import call
from tests.support.genotypes import one_block_genotype


def train(folder, data, *more):
    """Runs one epoch of a tiny network; returns the exit status."""
    return call(
        *("train", "--data", data, "--directory", folder, "--epochs", 1),
        *("--cells-per-stack", 1, "--filters", 2, "--image-size", 8),
        *("--batch-size", 4, "--recipe", "cifar10_short", *more),
    )


def test_a_model_carries_how_images_are_read_and_drawn(odd_folders, tmp_path):
    folder, data = tmp_path / "run", odd_folders / "wide"
    cells = one_block_genotype("conv_1x1").to_dict()
    (tmp_path / "cells.json").write_text(json.dumps(cells))
    options = ("--crop", "squash", "--images", 16, "--validation-split", 0.2)
    options += ("--genotype", tmp_path / "cells.json")
    assert train(folder, data, *options) == 0
    about = read_about(folder / "model.keras")
    assert (about["crop"], about["interpolation"]) == ("squash", "bicubic")
    assert about["data"]["validation_split"] == 0.2
    assert about["data"]["images"] == 16
    assert about["data"]["training_images"] == 13
    assert about["input_range"] == "0..255" and "images" not in about
    assert about["outputs"] == "probabilities"


@pytest.mark.parametrize(
    "name, crop", [("imagenet_mobile", 0.875), ("cifar10", 1.0)]
)
def test_the_crop_of_a_recipe(name, crop):
    assert get_recipe(name).crop == crop
    recipe = Recipe(1, 1, 0.1, augmentation="none")
    assert recipe.crop == 1.0


@pytest.mark.parametrize(
    "options, message",
    [
        (("--batch-size", 1000), "`batch_size` must not exceed"),
        (("--images", 3), "`images` must be an integer from 4"),
        (("--validation-split", 0.99), "`validation_split` must leave"),
        (("--validation-split", "nan"), "validation_split=nan"),
        (("--image-size", 100000), "`image_size` must be"),
        (("--crop", "2"), "--crop: must be above 0 and up to 1, or squash"),
        (("--crop", "nan"), "or squash. Received: 'nan'"),
        (("--data", ""), "what follows --data is empty"),
    ],
)
def test_wrong_data_are_named_and_nothing_is_written(
    options, message, odd_folders, tmp_path, capfd
):
    folder = tmp_path / "run"
    assert train(folder, odd_folders / "plain", *options) == 2
    assert message in capfd.readouterr().err
    assert not folder.exists()


@pytest.mark.parametrize("name", ["bomb", "cut", "empty_file", "html"])
def test_a_file_that_is_no_image_is_named(name, odd_folders, tmp_path, capfd):
    folder = tmp_path / "run"
    assert train(folder, odd_folders / name) == 2
    errors = capfd.readouterr().err.splitlines()
    assert len(errors) == 1 and "cannot be read as an image" in errors[0]
    assert not folder.exists()


def test_inception_does_not_depend_on_the_memory(odd_folders, monkeypatch):
    """The training part is cropped from the files, however few they are."""
    from nasnet_keras.training.data import image_files
    from nasnet_keras.training.session import TrainingJob, _dataset

    recipe = Recipe(1, 4, 0.1, augmentation="inception", image_size=8)
    job = TrainingJob(odd_folders, recipe, data=str(odd_folders / "exif"))
    small = _dataset(job, recipe)
    monkeypatch.setattr(image_files, "MEMORY_LIMIT", 0)
    large = _dataset(job, recipe)
    assert small.crop == large.crop == 0.875
    assert small.train[0].fingerprint() == large.train[0].fingerprint()
    assert isinstance(small.test[0], np.ndarray)
    for index, image in enumerate(small.test[0]):
        np.testing.assert_array_equal(image, large.test[0][index])


def test_less_memory_is_no_other_training(odd_folders, tmp_path, monkeypatch):
    """`--remat` changes no result: a run may go on with it or without."""
    models = []

    def keep(model, *args, **kwargs):
        models.append(model)
        return []

    monkeypatch.setattr("nasnet_keras.training.session.fit", keep)
    checkpoints = tmp_path / "run" / "checkpoints"
    for options in ((), ("--remat",)):
        data = odd_folders / "plain"
        assert train(tmp_path / "run", data, *options) == 0
        # From now on there is something that must not be mixed.
        checkpoints.mkdir(exist_ok=True)
        (checkpoints / "epoch_0001.keras").touch()
    plain, less = models
    assert not any(getattr(x, "remat", False) for x in plain.layers)
    cells = [x for x in less.layers if x.name.startswith("cell")]
    assert cells and all(x.remat for x in cells)
