"""Data of the training are known wherever they are now."""

import shutil

import numpy as np
import pytest

from nasnet_keras.inference.evaluate import evaluate
from nasnet_keras.inference.recorded_data import recorded_split
from nasnet_keras.model_files import save_model
from nasnet_keras.training.data import load_dataset
from tests.support.bright_and_dark import folder_of_images, scaled
from tests.support.commands import call

FORMS = {
    "a draw": {"validation_split": 0.4},
    "a subset": {"validation_split": 0.4, "images": 6},
    "the older draw": {
        "older_draw": 3,
        "crop": "squash",
        "interpolation": "bilinear",
    },
    "files": {"in_memory": False, "validation_split": 0.3},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return folder_of_images(tmp_path_factory.mktemp("data") / "levels")


def about(data, **options):
    """The dataset, and what a training on it stores with its model."""
    dataset = load_dataset(data, image_size=8, **options)
    return dataset, {
        "image_size": 8,
        "crop": dataset.crop,
        "interpolation": dataset.interpolation,
        "data": {
            "name": dataset.name,
            "sha256": dataset.digest,
            **dataset.draw,
        },
    }


@pytest.mark.parametrize("form", [k for k in FORMS if k != "files"])
def test_a_moved_folder_is_drawn_as_in_the_training(form, data, tmp_path):
    """It has another path, and may have other times; its images are alike."""
    dataset, stored = about(data, **FORMS[form])
    moved = tmp_path / "moved"
    shutil.copytree(data, moved)
    save_model(scaled(), tmp_path / "model.keras", stored)
    for split in ("validation", "test"):
        measured = evaluate(
            model=str(tmp_path / "model.keras"), data=moved, split=split
        )
        expected, labels = getattr(dataset, split)
        images = measured.data.images
        np.testing.assert_array_equal(
            np.array([images[k] for k in range(len(images))]), expected
        )
        np.testing.assert_array_equal(measured.data.labels, labels)


def test_a_folder_too_large_for_memory(data, tmp_path, monkeypatch):
    """Its digest is of names and sizes."""
    from nasnet_keras.training.data import image_files

    _, stored = about(data, **FORMS["files"])
    shutil.copytree(data, tmp_path / "moved")
    monkeypatch.setattr(image_files, "MEMORY_LIMIT", 0)
    found = recorded_split(stored, str(tmp_path / "moved"), "validation")
    assert found == {"validation_split": 0.3}


def test_inceptions_crops_leave_files(data, tmp_path, capsys):
    _, stored = about(data, validation_split=0.3, random_crops=True)
    stored["recipe"] = {"augmentation": "inception"}
    shutil.copytree(data, tmp_path / "moved")
    found = recorded_split(stored, str(tmp_path / "moved"), "validation")
    assert found == {"validation_split": 0.3}
    assert not capsys.readouterr().err


def test_a_folder_and_its_npz(data, tmp_path, capsys):
    path = tmp_path / "levels.npz"
    assert call("convert-data", data, path, "--image-size", 8) == 0
    for trained, measured in ((data, path), (path, data)):
        dataset, stored = about(trained, validation_split=0.4)
        draw = recorded_split(stored, str(measured), "validation")
        assert draw == {"validation_split": 0.4}
        again = load_dataset(measured, image_size=8, **draw)
        assert again.digest == dataset.digest
    assert not capsys.readouterr().err


def test_other_data_are_named(data, tmp_path, capsys):
    """One image more, or fewer images than were drawn."""
    other = folder_of_images(tmp_path / "other")
    shutil.copy(other / "dark" / "0.png", other / "dark" / "9.png")
    few = folder_of_images(tmp_path / "few")
    (few / "dark" / "0.png").unlink()
    for folder, options in ((other, {}), (few, {"images": 7})):
        _, stored = about(data, **options)
        assert recorded_split(stored, str(folder), "test") == {}
        (line,) = capsys.readouterr().err.splitlines()
        assert f"trained on other data, {data}. If {folder} holds" in line


def test_a_test_part_of_its_own_needs_no_draw(data, tmp_path, capsys):
    for part in ("train", "test"):
        shutil.copytree(data, tmp_path / part)
    _, stored = about(data)
    assert recorded_split(stored, str(tmp_path), "test") == {}
    assert not capsys.readouterr().err


def test_a_folder_of_a_datasets_name(tmp_path, monkeypatch, capsys):
    """`./digits` is a folder; `digits` is scikit-learn's."""
    monkeypatch.chdir(tmp_path)
    folder = folder_of_images(tmp_path / "digits")
    stored = {"data": {"name": "digits", "validation_split": 0.3}}
    assert recorded_split(stored, "./digits", "validation") == {}
    assert "trained on other data, digits." in capsys.readouterr().err
    assert recorded_split(stored, "digits", "validation") != {}
    _, stored = about(folder.relative_to(tmp_path), validation_split=0.3)
    assert stored["data"]["name"] == "./digits"
    assert recorded_split(stored, "./digits", "validation") != {}
    assert recorded_split(stored, "digits", "validation") == {}
