"""Photos on disk, decoded as a training goes along."""

import shutil

import numpy as np
import pytest
from PIL import Image

from nasnet_keras.training.data import load_dataset
from nasnet_keras.training.data.image_files import ImageFiles
from nasnet_keras.training.feeds.decoding import DecodingFeed
from nasnet_keras.training.feeds.evaluation import evaluation_batches
from nasnet_keras.training.feeds.feed import make_feed


@pytest.fixture(scope="module")
def folder(shared_data, tmp_path_factory):
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


@pytest.fixture(scope="module")
def photos(folder):
    return load_dataset(str(folder), image_size=24, in_memory=False)


def test_files_stand_for_the_images(folder, photos):
    eager = load_dataset(str(folder), image_size=24)
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


def test_files_are_kept_on_disk_where_memory_is_short(folder, monkeypatch):
    from nasnet_keras.training.data import image_files

    monkeypatch.setattr(image_files, "MEMORY_LIMIT", 60 * 24 * 24 * 3)
    images, _, _ = image_files.read_folder(folder, 24)
    assert isinstance(images, np.ndarray)
    images, _, _ = image_files.read_folder(folder, 25)
    assert isinstance(images, ImageFiles)


def test_the_digest_sees_names_and_sizes(folder, photos, tmp_path):
    def digest(**options):
        options = {"image_size": 24, "in_memory": False, **options}
        return load_dataset(str(tmp_path / "copy"), **options).digest

    shutil.copytree(folder, tmp_path / "copy")
    assert digest() == photos.digest
    assert digest(seed=1) != photos.digest
    file = tmp_path / "copy" / "rose" / "0.jpg"
    file.write_bytes(file.read_bytes() + b"more")
    assert digest() != photos.digest


@pytest.mark.parametrize("augmentation", ["inception", "cifar", "none"])
def test_both_pipelines_give_the_same(augmentation, photos, make_recipe):
    pytest.importorskip("tensorflow")
    recipe = make_recipe(
        epochs=3,
        batch_size=10,
        image_size=24,
        augmentation=augmentation,
        cutout=6,
        upsample=augmentation == "cifar",
        growing_sizes=((1, 16),),
    )
    feed = make_feed(photos, recipe, seed=2, copies=2)
    assert type(feed) is DecodingFeed and feed.steps_per_epoch == 4
    batches = list(feed.tf_dataset(2).as_numpy_iterator())
    assert len(batches) == 10
    for step, (images, labels) in enumerate(batches, 2):
        expected = make_feed(photos, recipe, seed=2, copies=2).batch(step)
        side = 16 if step < 4 else 24
        assert images.shape == (10, side, side, 3)
        np.testing.assert_array_equal(images, expected[0])
        for copy in labels:
            np.testing.assert_array_equal(copy, expected[1][0])


def test_each_epoch_sees_each_photo_with_its_label(photos, make_recipe):
    recipe = make_recipe(batch_size=10, augmentation="none", image_size=24)
    feed = make_feed(photos, recipe, seed=0)
    known = {
        photos.train[0][i].tobytes(): photos.train[1][i]
        for i in range(len(photos.train[0]))
    }
    seen = []
    for step in range(feed.steps_per_epoch):
        images, labels = feed.batch(step)
        for image, label in zip(images, labels.argmax(axis=1)):
            assert known[image.tobytes()] == label
            seen.append(image.tobytes())
    assert len(set(seen)) == len(seen) == 40


def test_an_unreadable_photo_is_named(photos, make_recipe, tmp_path):
    pytest.importorskip("tensorflow")
    files, labels = photos.train
    (tmp_path / "a.jpg").write_bytes(b"no photo")
    broken = ImageFiles(tmp_path, ["a.jpg"] * len(files), 24), labels
    for augmentation in ("inception", "cifar"):
        recipe = make_recipe(batch_size=10, augmentation=augmentation)
        feed = DecodingFeed(broken, 5, recipe, seed=0)
        with pytest.raises(ValueError, match=r"a\.jpg cannot be read"):
            feed.batch(0)
        with pytest.raises(Exception, match=r"a\.jpg cannot be read"):
            next(iter(feed.tf_dataset()))


@pytest.mark.parametrize("options", [{}, {"classes": 5, "copies": 2}])
def test_evaluation_sees_all_in_order(options, photos):
    """On either path: the middle of each photo, as `nasnet predict` has it."""
    pytest.importorskip("tensorflow")
    from nasnet_keras.images.files import load_image
    from nasnet_keras.training.feeds.evaluation import EvaluationFeed

    feed = EvaluationFeed(photos.test, 20, 5, classes=options.get("classes"))
    other = feed.numpy_batches(options.get("copies", 1))
    batches = feed.tf_dataset(options.get("copies", 1))
    batches = list(batches.as_numpy_iterator())
    assert len(list(evaluation_batches(photos.test, 20, 5, **options))) == 3
    assert len(batches) == other.num_batches == 3
    seen = 0
    for number, (images, labels) in enumerate(batches):
        again, same = other[number]
        np.testing.assert_array_equal(images, again)
        np.testing.assert_array_equal(labels, same)
        if options:
            labels = labels[1].argmax(axis=1)
        for image, label in zip(images, labels):
            expected = load_image(photos.test[0].path(seen), 20)
            np.testing.assert_array_equal(image, expected)
            assert label == photos.test[1][seen]
            seen += 1
    assert seen == len(photos.test[1]) == 12


def test_evaluation_of_arrays(folder):
    part = load_dataset(str(folder), image_size=24).test
    images, labels = zip(*evaluation_batches(part, 24, 5))
    np.testing.assert_array_equal(np.concatenate(images), part[0])
    np.testing.assert_array_equal(np.concatenate(labels), part[1])
    images, _ = next(iter(evaluation_batches(part, 16, 5)))
    assert images.shape == (5, 16, 16, 3)
