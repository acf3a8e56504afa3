"""Datasets: real images, splits, errors that name the file."""

import shutil

import numpy as np
import pytest

from nasnet_keras.training.data import load_dataset


def keys(part):
    return {image.tobytes() for image in part[0]}


def test_digits():
    dataset = load_dataset("digits", image_size=8)
    assert dataset.input_shape == (8, 8, 3)
    assert dataset.classes == tuple("0123456789")
    parts = dataset.train, dataset.validation, dataset.test
    assert sum(len(labels) for _, labels in parts) == 1797
    assert [len(labels) for _, labels in parts] == [1294, 144, 359]
    for images, labels in parts:
        assert images.dtype == np.uint8 and images.max() == 255
        assert set(labels) == set(range(10))
    # The test part is disjoint from the others.
    assert not keys(dataset.test) & (keys(dataset.train) | keys(parts[1]))


def test_the_digest_tells_datasets_apart():
    digests = [
        load_dataset("digits", image_size=8, **options).digest
        for options in ({}, {}, {"seed": 1}, {"validation_split": 0.2})
    ]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


def test_resizing_keeps_the_picture():
    small = load_dataset("digits", image_size=8).test[0]
    large = load_dataset("digits", image_size=16).test[0]
    pooled = large.reshape(-1, 8, 2, 8, 2, 3).mean(axis=(2, 4))
    error = np.abs(pooled - small.astype("float32")).mean()
    assert large.shape[1:3] == (16, 16) and error < 20


def test_cifar10(shared_data, cifar10_file):
    """The file has the images of TensorFlow Datasets, in the same order."""
    import tensorflow_datasets as tfds

    dataset = load_dataset(str(cifar10_file), validation_split=0)
    assert dataset.input_shape == (32, 32, 3)
    assert "airplane" in dataset.classes
    for part, name in ((dataset.train, "train"), (dataset.test, "test")):
        few = tfds.load(
            "cifar10",
            split=f"{name}[-50:]",
            data_dir=shared_data("tensorflow_datasets"),
            batch_size=-1,
        )
        np.testing.assert_array_equal(part[0][-50:], few["image"])
        np.testing.assert_array_equal(part[1][-50:], few["label"])


def test_the_split_of_the_paper(cifar10_file):
    """45,000 to train on, 5,000 to validate, the same for the same seed."""
    dataset = load_dataset(str(cifar10_file))
    again, other = (
        load_dataset(str(cifar10_file), seed=seed) for seed in (0, 1)
    )
    parts = dataset.train, dataset.validation, dataset.test
    assert [len(labels) for _, labels in parts] == [45000, 5000, 10000]
    assert (np.bincount(dataset.validation[1]) == 500).all()
    np.testing.assert_array_equal(dataset.validation[0], again.validation[0])
    held, held_by_other = keys(dataset.validation), keys(other.validation)
    # By chance a tenth of them is in both.
    assert len(held & held_by_other) < 700
    # CIFAR-10 has no image twice in its training part.
    assert not held & keys(dataset.train)
    assert len(held | keys(dataset.train)) == 50000


def test_a_part_of_cifar10(cifar10_file):
    dataset = load_dataset(str(cifar10_file), validation_split=0.25, images=400)
    assert [len(p[1]) for p in (dataset.train, dataset.validation)] == [
        300,
        100,
    ]
    assert len(dataset.test[1]) == 10000


def test_a_folder_of_real_photos(shared_data, tmp_path):
    source = shared_data("flowers", "test")
    for folder in source.iterdir():
        (tmp_path / folder.name).mkdir()
        for file in sorted(folder.iterdir())[:8]:
            shutil.copy(file, tmp_path / folder.name)
    dataset = load_dataset(str(tmp_path), image_size=24, validation_split=0.2)
    assert len(dataset.classes) == 5
    assert dataset.input_shape == (24, 24, 3)
    for _, labels in (dataset.train, dataset.validation, dataset.test):
        assert set(labels) == set(range(5))


@pytest.fixture
def folder(tmp_path):
    from PIL import Image

    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for number in range(4):
            image = Image.new("RGB", (9, 9), (number, 0, 0))
            image.save(tmp_path / name / f"{number}.png")
    return tmp_path


def test_an_empty_class_folder_is_named(folder):
    (folder / "mouse").mkdir()
    (folder / "mouse" / "notes.txt").write_text("none")
    with pytest.raises(ValueError, match=r"mouse holds 0 images"):
        load_dataset(str(folder))


def test_a_folder_one_level_up_is_named(folder):
    (folder / "dog" / "puppies").mkdir()
    for file in folder.glob("dog/*.png"):
        file.rename(file.parent / "puppies" / file.name)
    with pytest.raises(ValueError, match=r"has folders: \['puppies'\]"):
        load_dataset(str(folder))


@pytest.mark.parametrize("content", [b"", b"not an image", None])
def test_an_unreadable_image_is_named(folder, content):
    broken = folder / "dog" / "2.png"
    broken.write_bytes(broken.read_bytes()[:50] if content is None else content)
    with pytest.raises(ValueError, match=r"dog/2\.png cannot be read"):
        load_dataset(str(folder))


def test_bad_arguments_are_named(folder, tmp_path):
    with pytest.raises(ValueError, match="no/such/folder"):
        load_dataset("no/such/folder")
    with pytest.raises(ValueError, match="validation_split"):
        load_dataset("digits", validation_split=1.5)
    with pytest.raises(ValueError, match="image_size=4"):
        load_dataset("digits", image_size=4)
    with pytest.raises(ValueError, match="images=5000"):
        load_dataset("digits", image_size=8, images=5000)
    shutil.rmtree(folder / "dog")
    with pytest.raises(ValueError, match="at least two classes"):
        load_dataset(str(folder))


def test_a_folder_with_train_and_test(shared_data):
    flowers = shared_data("flowers")
    dataset = load_dataset(flowers, image_size=8, validation_split=0.1)
    lengths = [
        len(part[0])
        for part in (dataset.train, dataset.validation, dataset.test)
    ]
    assert lengths == [1260, 140, 200]
    assert len(dataset.classes) == 5
    test = load_dataset(flowers / "test", image_size=8, validation_split=0)
    together = np.concatenate([test.train[0], test.test[0]])
    one, other = (
        {image.tobytes() for image in images}
        for images in (dataset.test[0], together)
    )
    assert one == other


def test_other_classes_in_test(tmp_path):
    from PIL import Image

    for folder in ("train/a", "train/b", "test/a", "test/c"):
        (tmp_path / folder).mkdir(parents=True)
        for number in range(4):
            image = Image.new("RGB", (8, 8), (number, 0, 0))
            image.save(tmp_path / folder / f"{number}.png")
    with pytest.raises(ValueError, match="Only in one of them: b, c"):
        load_dataset(tmp_path, image_size=8)
