"""Every class in every part; the parts do not depend on what is used."""

import hashlib

import numpy as np
import pytest

from nasnet_keras.training.data import load_dataset
from nasnet_keras.training.data.splits import (
    Parts,
    allocate,
    complete,
    split_by_class,
)


def numbered(*counts):
    """Images that are their numbers, of classes of so many images."""
    labels = np.repeat(np.arange(len(counts)), counts)
    return np.arange(len(labels)), labels


def names(counts):
    return [f"class {i}" for i in range(len(counts))]


@pytest.mark.parametrize(
    "counts, share, expected",
    [
        ((1000, 4), 0.08, [79, 1]),
        ((304, 4), 0.2, [61, 1]),
        ((2, 2), 0.1, [1, 1]),
        ((3, 3, 300), 0.01, [1, 1, 1]),
        ((5, 5), 0.79, [4, 4]),
        ((500, 2), 0.9, [451, 1]),
    ],
)
def test_each_class_is_in_each_part(counts, share, expected):
    images, labels = numbered(*counts)
    first, second = split_by_class(images, labels, share, names(counts), "x")
    assert np.bincount(second[1]).tolist() == expected
    assert (np.bincount(first[1]) + expected).tolist() == list(counts)
    assert sorted([*first[0], *second[0]]) == images.tolist()
    for values, part_labels in (first, second):
        np.testing.assert_array_equal(labels[values], part_labels)


def test_a_class_of_one_image_is_named():
    with pytest.raises(ValueError, match=r"'class 1' has 1 image left.*or"):
        split_by_class(*numbered(9, 1), 0.1, names((9, 1)), "validation_split")
    parts = Parts(numbered(9, 2), None, None, names((9, 2)))
    with pytest.raises(ValueError, match=r"'class 1' has 1 .*validate"):
        complete(parts, 0.1)
    train, validation, test, *_ = complete(parts, 0)
    assert [len(part[1]) for part in (train, validation, test)] == [9, 0, 2]


@pytest.mark.parametrize(
    "images, split, message",
    [
        (3, 0.1, "`images` must be an integer from 20 .*images=3"),
        (19, 0.1, "images=19"),
        (9, 0, "`images` must be an integer from 10"),
        (0, 0, "images=0"),
        (2.5, 0.1, r"images=2\.5"),
        (True, 0.1, "images=True"),
        (1439, 0.1, "to 1438.*images=1439"),
        (None, 0.999, r"`validation_split` must leave.*0\.999"),
        (None, np.nan, "validation_split=nan"),
        (None, 1, "validation_split=1"),
    ],
)
def test_arguments_that_leave_too_few_images_are_named(images, split, message):
    with pytest.raises(ValueError, match=message):
        load_dataset("digits", 8, images=images, validation_split=split)


def digests(dataset):
    """Of the images and labels of each part, as the first version had them."""
    return [
        hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest()[:16]
        for images, labels in (dataset.train, dataset.validation, dataset.test)
    ]


@pytest.mark.parametrize(
    "options, expected",
    [
        (
            {"image_size": 8},
            ["bbf1bb46c3bdee8f", "a3e2ca0c052472fd", "d5abb602618268fb"],
        ),
        (
            {"validation_split": 0.2},
            ["44789e7ce87002e8", "1ed042313adfe3a7", "6d6ae17f34e068e8"],
        ),
        (
            {"image_size": 8, "images": 400, "older_draw": 0},
            ["30df3371caad6db7", "4160478481c8a238", "d5abb602618268fb"],
        ),
        (
            {"image_size": 8, "images": 300, "older_draw": 1}
            | {"validation_split": 0.2},
            ["9b0e0611ed5c4791", "9632516df52c0b20", "f19a44d235706a69"],
        ),
    ],
)
def test_the_parts_are_those_of_the_first_version(options, expected):
    """Digests that the code before these splits printed."""
    assert digests(load_dataset("digits", **options)) == expected


def keys(part):
    return {image.tobytes() for image in part[0]}


@pytest.mark.parametrize("images", [20, 300, 1437, 1438])
def test_a_subset_moves_no_image_to_another_part(images):
    """What is trained on with `--images` is not validated on without."""
    whole = load_dataset("digits", image_size=8)
    some = load_dataset("digits", image_size=8, images=images)
    assert len(some.train[1]) + len(some.validation[1]) == images
    for part in ("train", "validation"):
        images, labels = getattr(some, part)
        assert keys((images, labels)) <= keys(getattr(whole, part))
        counts = np.bincount(labels, minlength=10)
        assert counts.min() >= 1 and counts.max() - counts.min() <= 10
    np.testing.assert_array_equal(some.test[0], whole.test[0])


def test_sizes_of_a_subset():
    some = load_dataset("digits", image_size=8, images=400)
    assert [len(some.train[1]), len(some.validation[1])] == [360, 40]
    assert set(np.bincount(some.train[1])) <= {35, 36, 37}
    assert set(np.bincount(some.validation[1])) == {4}


@pytest.mark.parametrize(
    "available, number, least, expected",
    [
        ([50, 30, 20], 10, None, [5, 3, 2]),
        ([1000, 4, 0], 10, None, [9, 1, 0]),
        ([10, 10, 10], 4, None, [2, 1, 1]),
        ([1294, 144], 20, [10, 10], [10, 10]),
        ([3, 100], 103, None, [3, 100]),
    ],
)
def test_shares_are_in_proportion(available, number, least, expected):
    available = np.array(available)
    least = None if least is None else np.array(least)
    shares = allocate(available, number, available, least)
    assert shares.tolist() == expected


def test_draws_are_no_other_stream():
    """The order of a training's first epoch is drawn from its seed alone."""
    from nasnet_keras.training.data.splits import _shuffled

    order = np.random.default_rng([0, 0, 0]).permutation(50)
    assert (_shuffled(50) != order).any()
