"""Folders of photos, in memory and decoded on access."""

import shutil

import numpy as np

from nasnet_keras.training.data import load_dataset
from nasnet_keras.training.data.image_files import ImageFiles


def test_files_stand_for_the_images(photo_folder, photos):
    eager = load_dataset(str(photo_folder), image_size=24)
    assert isinstance(photos.train[0], ImageFiles)
    assert photos.input_shape == eager.input_shape == (24, 24, 3)
    assert photos.classes == eager.classes
    for part, images in (
        (photos.train, eager.train),
        (photos.test, eager.test),
    ):
        assert part[0].shape == images[0].shape
        np.testing.assert_array_equal(part[1], images[1])
        for i in range(0, len(part[1]), 7):
            name = part[0].path(i).parent.name
            assert photos.classes[part[1][i]] == name
    square = [i for i in range(40) if "/2." in photos.train[0].names[i]]
    assert square
    for i in square:  # Where nothing is cut off, pixels are about the same.
        error = photos.train[0][i].astype("float32") - eager.train[0][i]
        assert np.abs(error).mean() < 8


def test_files_are_kept_on_disk_where_memory_is_short(
    photo_folder, monkeypatch
):
    from nasnet_keras.training.data import image_files

    monkeypatch.setattr(image_files, "MEMORY_LIMIT", 60 * 24 * 24 * 3)
    images, _, _ = image_files.read_folder(photo_folder, 24)
    assert isinstance(images, np.ndarray)
    images, _, _ = image_files.read_folder(photo_folder, 25)
    assert isinstance(images, ImageFiles)


def test_the_digest_sees_names_and_sizes(photo_folder, photos, tmp_path):
    def digest(**options):
        options = {"image_size": 24, "in_memory": False, **options}
        return load_dataset(str(tmp_path / "copy"), **options).digest

    shutil.copytree(photo_folder, tmp_path / "copy")
    assert digest() == photos.digest
    assert digest(seed=1) != photos.digest
    file = tmp_path / "copy" / "rose" / "0.jpg"
    file.write_bytes(file.read_bytes() + b"more")
    assert digest() != photos.digest
