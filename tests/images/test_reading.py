"""One range of sides and of crops, wherever images are read."""

import numpy as np
import pytest
from PIL import Image

from nasnet_keras.images.files import load_image
from nasnet_keras.images.reading import (
    LARGEST_SIDE,
    LEAST_SIDE,
    check_crop,
    check_side,
)
from nasnet_keras.inference.evaluate import evaluate
from nasnet_keras.model_files import load_with_preset, save_model
from nasnet_keras.training.data import load_dataset
from nasnet_keras.training.recipes import Recipe
from tests.support.bright_and_dark import scaled


@pytest.mark.parametrize("side", [LEAST_SIDE - 1, LARGEST_SIDE + 1])
def test_the_same_sides_everywhere(side, tmp_path):
    Image.new("RGB", (9, 9)).save(image := tmp_path / "a.png")
    save_model(scaled((None, None, 3)), path := tmp_path / "m.keras")
    save_model(
        scaled((None, None, 3)),
        said := tmp_path / "n.keras",
        {"image_size": side},
    )
    readers = (
        lambda: load_image(image, side),
        lambda: load_dataset("digits", image_size=side),
        lambda: Recipe(1, 1, 0.1, image_size=side),
        lambda: load_with_preset(path, side),
        lambda: load_with_preset(said),
        lambda: evaluate(model=path, data="digits", image_size=side),
    )
    for read in readers:
        with pytest.raises(
            ValueError, match=f"least 1 and at most 8192.*{side}"
        ):
            read()
    with pytest.raises(ValueError, match=f"at most 8192.*{side}"):
        Recipe(1, 1, 0.1, growing_sizes=((1, side),))


def test_sides_that_are_read(tmp_path):
    for side in (1, 8192, np.int64(8)):
        assert check_side("side", side) == side
        assert Recipe(1, 1, 0.1, image_size=side).image_size == side
    assert load_dataset("digits", image_size=1).input_shape == (1, 1, 3)


def test_crops():
    for crop in ("squash", 1, 0.5, np.float32(0.5)):
        assert check_crop(crop) == crop
    for crop in (0, 1.01, "squeeze", float("nan"), True, None):
        with pytest.raises(ValueError, match="`crop of x` must be above 0 and"):
            check_crop(crop, "crop of x")
