"""Inception's crops and colours, compared with other implementations."""

import colorsys
import dataclasses
import io

import numpy as np
import pytest
from PIL import Image

from nasnet_keras.training.feeds.inception import (
    InceptionDraws,
    color_map,
    color_matrices,
    crop_box,
    draw_inception,
    inception_image,
)

WHOLE = {
    "areas": np.ones((1, 1)),
    "proportions": np.ones((1, 1)),
    "positions": np.zeros((1, 2)),
    "matrices": np.eye(3)[None],
    "brightness": np.zeros(1),
    "contrast": np.ones(1),
}


def draws_of(**changed):
    """Draws for one image, with all other changes disabled."""
    changed = {name: np.array([value]) for name, value in changed.items()}
    return InceptionDraws(**{**WHOLE, **changed})


def crops_only(draws):
    """The same draws without colour changes."""
    number = len(draws.contrast)
    return dataclasses.replace(
        draws,
        matrices=np.tile(np.eye(3), (number, 1, 1)),
        brightness=np.zeros(number),
        contrast=np.ones(number),
    )


@pytest.fixture(scope="module")
def photo(shared_data):
    file = sorted(shared_data("flowers", "test", "tulip").iterdir())[0]
    with Image.open(file) as image:
        return np.asarray(image.convert("RGB"))


@pytest.mark.parametrize("size", [(500, 375), (300, 400), (128, 128)])
def test_crops_have_the_areas_and_shapes_of_the_paper(size):
    draws = draw_inception(0, 0, 2000)
    boxes = np.array([crop_box(draws, i, *size) for i in range(2000)])
    left, top, right, bottom = boxes.T
    width, height = right - left, bottom - top
    assert left.min() == 0 and top.min() == 0
    assert right.max() == size[0] and bottom.max() == size[1]
    areas = width * height / (size[0] * size[1])
    assert 0.075 < areas.min() < 0.1 and areas.max() > 0.9
    assert (width / height).min() > 0.73 and (width / height).max() < 1.37
    # Positions are uniform over the free space.
    free = size[0] - width
    assert abs((left[free > 20] / free[free > 20]).mean() - 0.5) < 0.03


def test_a_narrow_image_is_cropped_in_its_middle():
    """If no drawn shape is inside, the nearest aspect ratio is used."""
    draws = draws_of(areas=[1.0], positions=[0.9, 0.9])
    assert crop_box(draws, 0, 1000, 90) == (440, 0, 560, 90)
    assert crop_box(draws, 0, 90, 1000) == (0, 440, 90, 560)
    assert crop_box(draws, 0, 3, 1) == (1, 0, 2, 1)


def test_nothing_drawn_changes_nothing(photo):
    image = inception_image(photo, draws_of(), 0, 128, flip=False)
    np.testing.assert_array_equal(image, photo)
    image = inception_image(photo, draws_of(), 0, 128, flip=True)
    np.testing.assert_array_equal(image, photo[:, ::-1])


def test_colors_are_the_formula(photo):
    """Step by step in NumPy, clipped at the end only."""
    draws = draw_inception(1, 2, 20)
    for i in range(20):
        draws.areas[i], draws.proportions[i] = 1, 1
        x = photo + draws.brightness[i]
        x = x @ draws.matrices[i].T
        mean = x.mean(axis=(0, 1))
        x = (x - mean) * draws.contrast[i] + mean
        expected = np.clip(np.round(x), 0, 255)
        actual = inception_image(photo, draws, i, 128, flip=False)
        assert np.abs(actual - expected).max() <= 1


def test_saturation_and_hue():
    grey = np.full(3, 90.0)
    for matrix in color_matrices(np.array([0.5, 1.5]), np.array([0.2, -0.1])):
        np.testing.assert_allclose(matrix @ grey, grey, atol=0.1)
    (none,) = color_matrices(np.zeros(1), np.zeros(1))
    red = none @ [255, 0, 0]
    np.testing.assert_allclose(red, 0.299 * 255, atol=0.1)
    (same,) = color_matrices(np.ones(1), np.ones(1))
    np.testing.assert_allclose(same, np.eye(3), atol=1e-9)


@pytest.mark.parametrize("turn", [0.1, -0.1])
def test_hue_turns_as_hsv_does(turn):
    """In the same direction on the colour wheel, by about as much."""
    (matrix,) = color_matrices(np.ones(1), np.array([turn]))
    for hue in np.arange(0, 1, 0.1):
        color = np.array(colorsys.hsv_to_rgb(hue, 0.3, 0.6))
        turned = colorsys.rgb_to_hsv(*(matrix @ color))[0]
        change = (turned - hue + 0.5) % 1 - 0.5
        assert abs(change - turn) < 0.06


def test_contrast_keeps_the_mean(photo):
    mean = photo.mean(axis=(0, 1))
    matrix = color_map(draws_of(contrast=0.5, brightness=8.0), 0, mean)
    np.testing.assert_allclose(matrix[:, :3] @ mean + matrix[:, 3], mean + 8)
    assert np.allclose(matrix[:, :3], np.eye(3) / 2)


def test_draws_follow_from_seed_and_step_alone():
    first, again = draw_inception(3, 8, 10), draw_inception(3, 8, 10)
    for name, values in vars(first).items():
        np.testing.assert_array_equal(values, getattr(again, name))
        for other in (draw_inception(3, 9, 10), draw_inception(4, 8, 10)):
            assert (values != getattr(other, name)).any(), name


def jpeg(image, orientation=1):
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(file, "JPEG", quality=95, exif=exif)
    file.seek(0)
    return file


def test_a_large_file_gives_what_its_pixels_give(photo):
    """A JPEG is decoded at a fraction of its size; crops stay in place."""
    large = Image.fromarray(photo).resize((1203, 901), Image.Resampling.BICUBIC)
    for i in range(6):
        draws = crops_only(draw_inception(0, 0, 6))
        pixels = inception_image(np.asarray(large), draws, i, 48, False)
        decoded = inception_image(jpeg(large), draws, i, 48, False)
        error = np.abs(pixels.astype("float32") - decoded)
        assert error.mean() < 3, i


def test_a_turned_photo_is_upright(photo):
    """Cameras store such files; `load_image` does the same."""
    image = Image.fromarray(photo).resize((300, 200))
    lying = image.transpose(Image.Transpose.ROTATE_90)
    for i in range(6):
        draws = crops_only(draw_inception(0, 1, 6))
        upright = inception_image(jpeg(image), draws, i, 32, False)
        turned = inception_image(jpeg(lying, 6), draws, i, 32, False)
        error = np.abs(upright.astype("float32") - turned)
        assert error.mean() < 3, i


def test_an_unreadable_file_is_named(tmp_path):
    path = tmp_path / "broken.jpg"
    path.write_bytes(jpeg(Image.new("RGB", (64, 64))).read()[:100])
    with pytest.raises(ValueError, match=r"broken\.jpg cannot be read"):
        inception_image(path, draws_of(), 0, 8, False)
