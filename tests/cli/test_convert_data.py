"""`nasnet convert-data`: the file can replace its source."""

import shutil

import numpy as np
import pytest

from nasnet_keras.training.data import load_dataset, npz
from tests.training.conftest import convert


def assert_equal(dataset, other):
    assert dataset.classes == other.classes
    for name in ("train", "validation", "test"):
        for values, others in zip(getattr(dataset, name), getattr(other, name)):
            np.testing.assert_array_equal(values, others)
    assert dataset.digest == other.digest


def test_a_training_sees_the_same(tmp_path, without_tensorflow, capsys):
    """Down to the split and to the images of a part of them."""
    path = tmp_path / "digits.npz"
    convert("digits", path, "--image-size", 8)
    assert "1,438 images to train on and 359 to test" in capsys.readouterr().out
    for options in ({}, {"validation_split": 0.2, "images": 600}):
        assert_equal(
            load_dataset("digits", image_size=8, **options),
            load_dataset(str(path), **options),
        )


@pytest.fixture
def folder(shared_data, tmp_path):
    for source in shared_data("flowers", "test").iterdir():
        (tmp_path / "photos" / source.name).mkdir(parents=True)
        for file in sorted(source.iterdir())[:6]:
            shutil.copy(file, tmp_path / "photos" / source.name)
    return tmp_path / "photos"


def test_a_folder(folder, tmp_path):
    convert(folder, tmp_path / "photos.npz", "--image-size", 24)
    assert_equal(
        load_dataset(str(folder), image_size=24),
        load_dataset(str(tmp_path / "photos.npz")),
    )


def test_a_folder_too_large_for_memory(folder, tmp_path, monkeypatch, capsys):
    from nasnet_keras.training.data import image_files

    monkeypatch.setattr(image_files, "MEMORY_LIMIT", 1000)
    arguments = (folder, tmp_path / "photos.npz", "--image-size", 24)
    assert convert(*arguments) == 2
    assert "--image-size 24. Give a smaller one" in capsys.readouterr().err
    assert not (tmp_path / "photos.npz").exists()


def test_nothing_is_overwritten_unasked(tmp_path, monkeypatch, capsys):
    path = tmp_path / "digits.npz"
    path.write_text("precious")
    assert convert("digits", path) == 2
    assert "exists: remove it, or give --force" in capsys.readouterr().err
    assert path.read_text() == "precious"

    def fail(dataset):
        raise MemoryError

    # After a failed write the old file is intact.
    with monkeypatch.context() as patch:
        patch.setattr(npz, "npz_bytes", fail)
        assert convert("digits", path, "--force") == 1
    assert "not enough memory" in capsys.readouterr().err
    assert path.read_text() == "precious"
    assert not convert("digits", path, "--force")
    assert load_dataset(str(path)).input_shape == (16, 16, 3)
    assert [file.name for file in tmp_path.iterdir()] == ["digits.npz"]


def test_wrong_arguments_are_named(tmp_path, capsys):
    assert convert("digits", tmp_path / "digits.h5") == 2
    assert "must end in .npz" in capsys.readouterr().err
    assert convert("imagenet2012", tmp_path / "imagenet.npz") == 2
    assert "does not fit in memory" in capsys.readouterr().err
    assert convert(tmp_path / "nothing", tmp_path / "a.npz") == 2
    assert "nothing" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name", ["exif", "grey16", "imbalance", "latin1_name", "train_val_test"]
)
def test_odd_folders(name, odd_folders, tmp_path):
    """The file has the parts and pixels that a training on the folder has."""
    path = tmp_path / "images.npz"
    assert not convert(odd_folders / name, path, "--image-size", 8)
    assert_equal(
        load_dataset(str(odd_folders / name), image_size=8),
        load_dataset(str(path)),
    )


@pytest.mark.parametrize("name", ["bomb", "cut", "empty_file", "html"])
def test_a_file_that_is_no_image_is_named(name, odd_folders, tmp_path, capsys):
    assert convert(odd_folders / name, tmp_path / "images.npz") == 2
    assert "cannot be read as an image" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_crop_is_kept(odd_folders, tmp_path):
    path = tmp_path / "images.npz"
    options = ("--image-size", 8, "--crop", "squash")
    assert not convert(odd_folders / "wide", path, *options)
    dataset = load_dataset(path)
    assert dataset.crop == "squash" and (dataset.train[0] != 128).any()
