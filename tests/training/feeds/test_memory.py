"""Both pipelines give the same batches, from any step on."""

import numpy as np
import pytest

from nasnet_keras.training.feeds import memory
from nasnet_keras.training.feeds.augmentation import GREY
from nasnet_keras.training.feeds.decoding import DecodingFeed
from nasnet_keras.training.feeds.memory import Feed

SETTINGS = [
    {},
    {"upsample": True, "cutout": 16},
    {"augmentation": "none"},
    {"growing_sizes": ((1, 16), (2, 24)), "cutout": 8},
    {"augmentation": "inception", "growing_sizes": ((1, 24),)},
]


def feed_of(part, recipe, seed=5, copies=1):
    kind = DecodingFeed if recipe.augmentation == "inception" else Feed
    return kind(part, 10, recipe, seed, copies)


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("first_step", [0, 6])
def test_both_pipelines_give_the_same(
    settings, first_step, cifar_part, make_recipe
):
    """Bit by bit, for all image sizes, to the end."""
    recipe = make_recipe(**settings)
    feed = feed_of(cifar_part, recipe)
    assert feed.steps_per_epoch == 4
    batches = list(feed.tf_dataset(first_step).as_numpy_iterator())
    assert len(batches) == 16 - first_step
    for step, (images, labels) in enumerate(batches, first_step):
        # A new feed, which has made no earlier batch.
        expected = feed_of(cifar_part, recipe).batch(step)
        side = recipe.size_in(step // 4)
        assert images.shape == (64, side, side, 3) and images.dtype == np.uint8
        np.testing.assert_array_equal(images, expected[0])
        np.testing.assert_array_equal(labels, expected[1])


def test_labels_stay_with_their_images(cifar_part, make_recipe):
    images, labels = cifar_part
    by_image = {x.tobytes(): y for x, y in zip(images, labels)}
    assert len(by_image) == 300
    feed = feed_of(cifar_part, make_recipe(augmentation="none"))
    for step in range(8):
        x, y = feed.batch(step)
        assert y.dtype == np.float32 and (y.sum(axis=1) == 1).all()
        expected = [by_image[image.tobytes()] for image in x]
        assert y.argmax(axis=1).tolist() == expected


def test_each_image_is_a_crop_of_its_padded_self(cifar_part, make_recipe):
    feed = feed_of(cifar_part, make_recipe())
    draws = feed.sampler.draw(2, 32)
    images, _ = feed.batch(2)
    for i, image in enumerate(images):
        padded = np.full((40, 40, 3), GREY, "uint8")
        padded[4:36, 4:36] = cifar_part[0][draws.indices[i]]
        top, left = draws.offsets[i]
        crop = padded[top : top + 32, left : left + 32]
        crop = crop[:, ::-1] if draws.flips[i] else crop
        np.testing.assert_array_equal(image, crop)


def test_upsampling_leaves_no_border(make_recipe):
    white = np.full((64, 32, 32, 3), 255, "uint8"), np.zeros(64, "int32")
    padded, _ = feed_of(white, make_recipe()).batch(0)
    upsampled, _ = feed_of(white, make_recipe(upsample=True)).batch(0)
    assert set(np.unique(padded)) == {GREY, 255}
    assert set(np.unique(upsampled)) == {255}


def test_cutout_greys_a_square(make_recipe):
    white = np.full((64, 32, 32, 3), 255, "uint8"), np.zeros(64, "int32")
    recipe = make_recipe(augmentation="none", cutout=16)
    images, _ = feed_of(white, recipe).batch(0)
    areas = (images == GREY).all(axis=-1).sum(axis=(1, 2))
    assert areas.max() == 256 and 64 <= areas.min() < 256


def test_labels_are_given_once_per_output(cifar_part, make_recipe):
    feed = feed_of(cifar_part, make_recipe(), copies=2)
    _, labels = feed.batch(0)
    assert isinstance(labels, tuple) and len(labels) == 2
    _, labels = next(iter(feed.tf_dataset()))
    assert isinstance(labels, tuple) and len(labels) == 2


@pytest.mark.parametrize("settings", SETTINGS[:4])
def test_the_images_are_not_copied(
    settings, cifar_part, make_recipe, monkeypatch
):
    """Large ones are resized batch by batch, to the same pixels."""
    recipe = make_recipe(**settings)
    feed = feed_of(cifar_part, recipe)
    assert feed.resized(32) is cifar_part[0]
    expected = [feed.batch(step) for step in (1, 5, 13)]
    monkeypatch.setattr(memory, "COPY_LIMIT", 0)
    feed = feed_of(cifar_part, recipe)
    monkeypatch.setattr(feed, "resized", None)
    for step, (images, labels) in zip((1, 5, 13), expected):
        again = feed.batch(step)
        np.testing.assert_array_equal(again[0], images)
        np.testing.assert_array_equal(again[1], labels)
