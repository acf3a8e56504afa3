"""Both pipelines give the same batches, whenever a training is taken up."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from nasnet_keras.training.data import load_dataset
from nasnet_keras.training.feeds.augmentation import GREY
from nasnet_keras.training.feeds.decoding import DecodingFeed
from nasnet_keras.training.feeds.feed import Feed, make_feed
from nasnet_keras.training.feeds.pipelines import NumPyBatches
from tests.conftest import ROOT
from tests.training.numpy_probe import hashes, make_feeds

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
    """Bit by bit, from any step on, through all sizes, to the end."""
    recipe = make_recipe(**settings)
    feed = feed_of(cifar_part, recipe)
    assert feed.steps_per_epoch == 4
    batches = list(feed.tf_dataset(first_step).as_numpy_iterator())
    assert len(batches) == 16 - first_step
    for step, (images, labels) in enumerate(batches, first_step):
        # Of a feed that knows nothing of the steps before.
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


def test_the_right_feed(make_recipe):
    dataset = load_dataset("digits", image_size=8)
    assert type(make_feed(dataset, make_recipe(), 0)) is Feed
    recipe = make_recipe(augmentation="inception")
    assert type(make_feed(dataset, recipe, 0)) is DecodingFeed


def test_numpy_batches_are_numbered_from_the_first():
    batches = NumPyBatches(lambda number: number * 10, first=3)
    assert [batches[i] for i in range(3)] == [30, 40, 50]
    assert batches.num_batches is None
    batches = NumPyBatches(lambda number: number, number=4)
    assert batches.num_batches == 4 and list(batches) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "backend", ["jax", pytest.param("torch", marks=pytest.mark.long)]
)
def test_a_training_without_tensorflow_sees_the_same(backend):
    """On another backend, where TensorFlow cannot be imported."""
    pytest.importorskip(backend)
    done = subprocess.run(
        [sys.executable, "-m", "tests.training.numpy_probe"],
        env={**os.environ, "KERAS_BACKEND": backend},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == hashes(make_feeds()[0])
