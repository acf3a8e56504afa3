"""`calibration_images`: of the shape and the range that a model takes."""

import numpy as np
import pytest

from nasnet_keras.deploy.exporting.calibration import (
    calibration_images,
    evenly,
)
from nasnet_keras.model_files.contract import Said
from tests.deploy.exporting.common import colours, network

RANGES = {"0..255": (0, 255), "0..1": (0, 1), "-1..1": (-1, 1)}


@pytest.fixture(scope="module")
def silent():
    """It has no preprocessing and takes images of any size."""
    return network(
        classes=2, include_preprocessing=False, input_shape=(None, None, 3)
    )


def test_the_images_are_in_the_range_of_the_network(tmp_path, shared_data):
    flowers = shared_data("flowers")
    about = {"input_range": "-1..1"}
    model = network(classes=2, include_preprocessing=False)
    images = calibration_images(model, flowers, about)
    assert images.shape == (200, 24, 24, 3)
    assert -1 <= images.min() < -0.5 < 0.5 < images.max() <= 1


def test_images_of_all_classes_are_compared():
    chosen = evenly(200, 64)
    assert len(chosen) == 64 and chosen[0] == 0 and chosen[-1] == 199
    assert len(evenly(5, 64)) == 5


def test_drawn_images_have_the_range_of_the_file():
    model = network(include_preprocessing=False)
    drawn = calibration_images(model, None, {"input_range": "0..255"})
    assert drawn.min() >= 0 and drawn.max() > 200
    assert abs(calibration_images(model, None, {})).max() <= 1


def within(least, most):
    """Images whose values reach from one number to another."""
    images = colours(6)
    return least + (images - images.min()) / np.ptp(images) * (most - least)


@pytest.mark.parametrize("name", RANGES)
def test_images_of_the_range_of_the_network(name, silent):
    images = within(*RANGES[name])
    for about, said in (({"input_range": name}, Said()), ({}, Said(name))):
        found = calibration_images(silent, images, about, said)
        np.testing.assert_array_equal(found, images)


@pytest.mark.parametrize(
    "name, least, most",
    [
        ("0..255", 0, 1),
        ("0..255", -0.1, 1.1),
        ("0..255", -1, 1),
        ("0..255", -123, 130),
        ("0..255", 0, 65535),
        ("0..1", 0, 255),
        ("0..1", -1, 1),
        ("-1..1", 0, 255),
        ("-1..1", 0, 1),
        ("-1..1", float("nan"), 1),
    ],
)
def test_images_of_another_range(name, least, most, silent):
    message = rf"must be images of {name}, .* Received: .* from {least:.4g} to"
    with pytest.raises(ValueError, match=message):
        calibration_images(silent, within(least, most), {"input_range": name})


def test_the_range_that_preprocessing_shows():
    """Of 0 to 255: divided by that they would all look grey."""
    with pytest.raises(ValueError, match=r"images of 0\.\.255, which the"):
        calibration_images(network(), colours(6) / 255, {})


@pytest.mark.parametrize(
    "name, least, most",
    [
        ("0..255", -40, 290),
        ("0..255", 0, 2),
        ("0..1", 0.3, 1.1),
        ("-1..1", 0.2, 1),
        ("-1..1", -0.3, 0.4),
    ],
)
def test_images_that_may_be_of_the_range(name, least, most, silent):
    """Interpolated ones go beyond it; others are dark, bright or dull."""
    images = within(least, most)
    found = calibration_images(silent, images, {"input_range": name})
    np.testing.assert_array_equal(found, images)


def test_a_range_that_nobody_says(silent, shared_data):
    """Of an array it need not be known, but of a folder."""
    images = within(-3, 3)
    found = calibration_images(silent, images, {})
    np.testing.assert_array_equal(found, images)
    with pytest.raises(ValueError, match=r"Give `input_range` \(--input-range"):
        calibration_images(silent, shared_data("flowers"), {"image_size": 24})


def test_a_range_and_a_size_that_the_caller_says(silent, shared_data):
    folder, said = shared_data("flowers"), Said("0..1")
    images = calibration_images(silent, folder, {}, said, image_size=20)
    assert images.shape == (200, 20, 20, 3)
    assert 0 <= images.min() < 0.1 < 0.9 < images.max() <= 1
    drawn = calibration_images(silent, None, {}, said, image_size=20)
    assert drawn.shape == (8, 20, 20, 3)
    assert 0 <= drawn.min() < 0.1 < 0.9 < drawn.max() <= 1


def test_the_size_for_which_it_was_trained(silent, shared_data):
    folder, about = shared_data("flowers"), {"image_size": 20}
    for size, side in ((None, 20), (28, 28)):
        images = calibration_images(silent, folder, about, Said("0..1"), size)
        assert images.shape == (200, side, side, 3)


def test_a_size_that_nobody_says(silent, shared_data):
    with pytest.raises(ValueError, match=r"Give `image_size` \(--image-size\)"):
        calibration_images(silent, shared_data("flowers"), {}, Said("0..1"))


@pytest.mark.parametrize(
    "size, message",
    [
        (32, r"must be what the model takes, \(None, 24, .* image_size=32"),
        (0, "`image_size` must be an integer .* image_size=0"),
        (24, "those of an array have their size. .* image_size=24"),
    ],
)
def test_a_size_that_does_not_fit(size, message):
    with pytest.raises(ValueError, match=message):
        calibration_images(network(), colours(4), {}, image_size=size)


@pytest.mark.parametrize(
    "name, message",
    [
        ("0-255", "`input_range` must be one of .* input_range='0-255'"),
        ("0..1", r"`input_range` \(--input-range\) is 0..1, but the model"),
    ],
)
@pytest.mark.parametrize("given", [None, colours(4)])
def test_a_range_that_does_not_fit(given, name, message):
    with pytest.raises(ValueError, match=message):
        calibration_images(network(), given, {}, Said(name))
