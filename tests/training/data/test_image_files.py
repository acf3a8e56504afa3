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
        for i in range(len(part[1])):
            name = part[0].path(i).parent.name
            assert photos.classes[part[1][i]] == name
            np.testing.assert_array_equal(part[0][i], images[0][i])


def test_files_are_kept_on_disk_where_memory_is_short(
    photo_folder, monkeypatch
):
    from nasnet_keras.training.data import image_files

    monkeypatch.setattr(image_files, "MEMORY_LIMIT", 60 * 24 * 24 * 3)
    for size, kind in ((24, np.ndarray), (25, ImageFiles)):
        dataset = load_dataset(photo_folder, image_size=size)
        parts = dataset.train, dataset.validation, dataset.test
        assert all(isinstance(images, kind) for images, _ in parts)


def test_the_digest_sees_names_and_sizes(photo_folder, photos, tmp_path):
    def digest(**options):
        options = {"image_size": 24, "in_memory": False, **options}
        return load_dataset(str(tmp_path / "copy"), **options).digest

    shutil.copytree(photo_folder, tmp_path / "copy")
    assert digest() == photos.digest
    assert digest(validation_split=0.2) != photos.digest
    file = tmp_path / "copy" / "rose" / "0.jpg"
    file.write_bytes(file.read_bytes() + b"more")
    assert digest() != photos.digest
