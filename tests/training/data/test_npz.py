"""`.npz` datasets, valid and damaged."""

import numpy as np
import pytest

from nasnet_keras.training.data import load_dataset
from nasnet_keras.training.data.npz import NPZ_KEYS, npz_bytes


@pytest.fixture
def arrays():
    images = np.zeros((6, 8, 8, 3), "uint8")
    labels = np.array([0, 1] * 3)
    values = (images, labels, images[:2], labels[:2], np.array(["cat", "dog"]))
    return dict(zip(NPZ_KEYS, values))


def test_npz(arrays, tmp_path):
    np.savez(tmp_path / "pets.npz", **arrays)
    dataset = load_dataset(str(tmp_path / "pets.npz"), validation_split=0)
    assert dataset.classes == ("cat", "dog")
    assert dataset.input_shape == (8, 8, 3)
    larger = load_dataset(
        str(tmp_path / "pets.npz"), validation_split=0, image_size=16
    )
    assert larger.input_shape == (16, 16, 3)


def test_an_older_file_was_not_cropped(arrays, tmp_path):
    np.savez(tmp_path / "pets.npz", **arrays)
    dataset = load_dataset(tmp_path / "pets.npz", validation_split=0)
    assert (dataset.crop, dataset.interpolation) == (1.0, "bicubic")


@pytest.mark.parametrize("crop", ["squash", 0.875])
def test_crop_and_validation_part_are_kept(crop, odd_folders, tmp_path):
    """A folder `val` stays the validation part, whatever the share is."""
    options = {"crop": crop, "interpolation": "bilinear", "image_size": 8}
    dataset = load_dataset(odd_folders / "train_val_test", **options)
    (tmp_path / "a.npz").write_bytes(npz_bytes(dataset))
    again = load_dataset(tmp_path / "a.npz", validation_split=0.5)
    assert (again.crop, again.interpolation) == (crop, "bilinear")
    assert again.digest == dataset.digest
    with pytest.raises(ValueError, match=f"read with crop {crop}"):
        load_dataset(tmp_path / "a.npz", crop=1.0)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"classes": None}, "has no classes"),
        ({"train_images": np.zeros((6, 8, 8, 3))}, "`train_images`.*float64"),
        ({"test_images": np.zeros((2, 8, 9, 3), "uint8")}, "`test_images`"),
        ({"test_labels": np.array([0, 2])}, "below 2"),
        ({"test_labels": np.array([0, -1])}, "`test_labels`"),
        ({"train_labels": np.zeros((6, 1), int)}, r"\(6, 1\)"),
        ({"crop": np.array("half")}, "`crop` must be above 0"),
    ],
)
def test_a_wrong_npz_is_named(change, message, arrays, tmp_path):
    arrays = {**arrays, **change}
    arrays = {name: x for name, x in arrays.items() if x is not None}
    np.savez(tmp_path / "pets.npz", **arrays)
    with pytest.raises(ValueError, match=message) as error:
        load_dataset(str(tmp_path / "pets.npz"))
    assert "pets.npz" in str(error.value)


def test_a_damaged_npz_is_named(arrays, tmp_path):
    path = tmp_path / "pets.npz"
    with pytest.raises(ValueError, match=r"pets\.npz cannot be read"):
        load_dataset(str(path))
    np.savez(path, **arrays)
    path.write_bytes(path.read_bytes()[:-700])
    with pytest.raises(ValueError, match=r"pets\.npz cannot be read"):
        load_dataset(str(path))
