"""Batches of photos that are decoded for each step."""

import numpy as np
import pytest

from nasnet_keras.training.data.image_files import ImageFiles
from nasnet_keras.training.feeds.decoding import DecodingFeed
from nasnet_keras.training.feeds.make import make_feed


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
