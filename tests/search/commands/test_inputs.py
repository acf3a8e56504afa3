"""The data of a search: those of every other command."""

import argparse

import numpy as np
import PIL.Image
import pytest

from nasnet_keras.search.commands.inputs import load_data
from nasnet_keras.training.data import load_dataset


def arguments(folder, **changed):
    return argparse.Namespace(
        **{
            "dataset": "digits",
            "data_dir": None,
            "directory": folder,
            "image_size": 8,
            "validation_split": 0.2,
            "images": 300,
            "batch_size": 64,
            "seed": 0,
            **changed,
        }
    )


@pytest.mark.parametrize("seed", [0, 1])
def test_no_seed_moves_an_image_to_another_part(seed, tmp_path):
    """A retrained cell is not tested on what its search trained on."""
    searched = load_data(arguments(tmp_path, seed=seed))
    evaluated = load_dataset("digits", image_size=8)
    tested = {image.tobytes() for image in evaluated.test[0]}
    used = {
        image.tobytes()
        for part in (searched.train, searched.validation)
        for image in part[0]
    }
    assert len(used) == 300 and not used & tested


def test_a_crop_is_passed_on(odd_folders, tmp_path):
    data = {"dataset": str(odd_folders / "wide"), "images": None}
    dataset = load_data(
        arguments(tmp_path, **data, crop="squash", batch_size=4)
    )
    assert dataset.crop == "squash" and (dataset.train[0] != 128).any()


@pytest.mark.parametrize(
    "changed, message",
    [
        ({"batch_size": 100000}, "`batch_size` must not exceed"),
        ({"images": 3}, "`images` must be an integer from 20"),
        ({"validation_split": 0}, "--validation-split must be above 0"),
        ({"dataset": ""}, "`data` must be"),
    ],
)
def test_wrong_data_are_named(changed, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        load_data(arguments(tmp_path, **changed))


@pytest.mark.parametrize(
    "sides, expected", [((28, 30), 28), ((40, 60), 32), ((64, 90), 64)]
)
def test_small_images_are_not_enlarged(tmp_path, monkeypatch, sides, expected):
    """By default: as large as they are, or smaller."""
    monkeypatch.chdir(tmp_path)
    for label in ("a", "b"):
        folder = tmp_path / "photographs" / label
        folder.mkdir(parents=True)
        for number in range(10):
            pixels = np.full((*sides, 3), 20 * number, "uint8")
            PIL.Image.fromarray(pixels).save(folder / f"{number}.png")
    args = arguments(
        tmp_path / "run",
        dataset="photographs",
        image_size=None,
        images=None,
        batch_size=None,
    )
    dataset = load_data(args)
    assert dataset.input_shape[0] == args.image_size == expected
    # Fewer images than a usual batch: all of them.
    assert args.batch_size == len(dataset.train[1]) < 16
    again = arguments(tmp_path / "run", dataset=args.dataset, image_size=16)
    again.images, again.batch_size = None, 4
    assert load_data(again).input_shape[0] == 16
