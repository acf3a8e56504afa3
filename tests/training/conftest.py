"""Real images for the tests of the pipelines, read once."""

import numpy as np
import pytest
from PIL import Image

from nasnet_keras.training.data import load_dataset
from nasnet_keras.training.recipes.recipe import Recipe
from tests.support.commands import call


@pytest.fixture(scope="session")
def cifar_part(shared_data):
    """The first 300 training images of CIFAR-10, and their labels."""
    tfds = pytest.importorskip("tensorflow_datasets")
    examples = tfds.load(
        "cifar10",
        split="train[:300]",
        data_dir=shared_data("tensorflow_datasets"),
        batch_size=-1,
    )
    labels = np.asarray(examples["label"])
    return np.asarray(examples["image"]), labels.astype("int32")


@pytest.fixture(scope="session")
def photo_folder(shared_data, tmp_path_factory):
    """Real photos in files of several kinds, sizes and proportions."""
    folder = tmp_path_factory.mktemp("photos")
    sizes = [(90, 60), (50, 80), (64, 64), (200, 40)]
    for source in shared_data("flowers", "test").iterdir():
        (folder / source.name).mkdir()
        for number, file in enumerate(sorted(source.iterdir())[:12]):
            image = Image.open(file).resize(sizes[number % 4])
            suffix = ".png" if number == 7 else ".jpg"
            image.save(folder / source.name / f"{number}{suffix}")
    return folder


@pytest.fixture(scope="session")
def photos(photo_folder):
    return load_dataset(str(photo_folder), image_size=24, in_memory=False)


@pytest.fixture
def make_recipe():
    """Function from settings to a small `Recipe`."""

    def make(**settings):
        return Recipe(
            **{
                "epochs": 4,
                "batch_size": 64,
                "learning_rate": 0.1,
                "image_size": 32,
                **settings,
            }
        )

    return make


@pytest.fixture(scope="session")
def cifar10_file(shared_data, tmp_path_factory):
    """All of CIFAR-10, as `nasnet convert-data` writes it."""
    pytest.importorskip("tensorflow_datasets")
    path = tmp_path_factory.mktemp("cifar10") / "cifar10.npz"
    data_dir = shared_data("tensorflow_datasets")
    convert("cifar10", path, "--data-dir", data_dir)
    return path


def convert(*arguments):
    """Runs `nasnet convert-data`; returns the exit status."""
    return call("convert-data", *arguments)
