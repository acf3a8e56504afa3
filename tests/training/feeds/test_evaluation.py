"""Evaluation batches: all images, in order."""

import numpy as np
import pytest

from nasnet_keras.images.files import load_image
from nasnet_keras.training.data import load_dataset
from nasnet_keras.training.feeds.evaluation import (
    EvaluationFeed,
    evaluation_batches,
)


@pytest.mark.parametrize("options", [{}, {"classes": 5, "copies": 2}])
def test_evaluation_sees_all_in_order(options, photos):
    """On either path: the middle of each photo, as `nasnet predict` has it."""
    pytest.importorskip("tensorflow")
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
            expected = load_image(photos.test[0].path(seen), 20, photos.crop)
            np.testing.assert_array_equal(image, expected)
            assert label == photos.test[1][seen]
            seen += 1
    assert seen == len(photos.test[1]) == 12


def test_the_crop_is_that_of_the_files_unless_it_is_given(photos):
    files, labels = photos.test
    for crop, given in (("squash", None), (0.5, None), (1.0, "squash")):
        part = files.with_crop(crop), labels
        images, _ = EvaluationFeed(part, 20, 5, given).batch(0)
        expected = load_image(files.path(0), 20, given or crop)
        np.testing.assert_array_equal(images[0], expected)


def test_evaluation_of_arrays(photo_folder):
    part = load_dataset(str(photo_folder), image_size=24).test
    images, labels = zip(*evaluation_batches(part, 24, 5))
    np.testing.assert_array_equal(np.concatenate(images), part[0])
    np.testing.assert_array_equal(np.concatenate(labels), part[1])
    images, _ = next(iter(evaluation_batches(part, 16, 5)))
    assert images.shape == (5, 16, 16, 3)
