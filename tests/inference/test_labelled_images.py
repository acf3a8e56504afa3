"""Which images a network is measured on."""

import numpy as np
import pytest

from nasnet_keras.inference.evaluate import evaluate
from nasnet_keras.inference.labelled_images import default_split, open_images
from nasnet_keras.presets.types import Preset

NAMED = Preset("named", {}, 8, class_names=("cat", "dog"))
NAMELESS = Preset("nameless", {}, 8)
IMAGENET = Preset("imagenet", {}, 8, class_names="imagenet")


def test_all_images_are_the_default_for_imagenet_alone(tmp_path):
    """Other networks may have been trained on a part of the folder."""
    assert default_split(IMAGENET, str(tmp_path)) == "all"
    assert default_split(IMAGENET, str(tmp_path / "missing")) == "all"
    for preset in (NAMED, NAMELESS):
        assert default_split(preset, str(tmp_path)) == "test"
    for data in ("cifar10", "imagenet2012", "some.npz"):
        assert default_split(IMAGENET, data) == "test"


def test_a_folder_that_is_split_already(tmp_path):
    for part in ("train", "test"):
        (tmp_path / part).mkdir()
    assert default_split(IMAGENET, str(tmp_path)) == "test"


def test_a_number_of_training_images_is_refused_for_all(tmp_path):
    with pytest.raises(ValueError, match=r"`limit` takes.*images=3"):
        open_images(NAMED, str(tmp_path), "all", 8, images=3)


def test_only_a_folder_can_be_measured_whole():
    with pytest.raises(ValueError, match="split='all', data='digits'"):
        open_images(NAMED, "digits", "all", 8)


def test_images_in_memory():
    digits = Preset("digits", {}, 8, class_names=tuple("0123456789"))
    images = open_images(digits, "digits", "test", 8)
    assert len(images) == 359 and not images.in_files
    assert images.digest == images.dataset.digest
    few = images.limited(10)
    chosen = np.arange(10) * 359 // 10
    np.testing.assert_array_equal(few.labels, images.labels[chosen])
    np.testing.assert_array_equal(few.images, images.images[chosen])


def test_a_crop_of_images_in_memory_is_refused(tmp_path):
    import keras

    from nasnet_keras.model_files import save_model

    inputs = keras.Input((8, 8, 3))
    outputs = keras.layers.GlobalAveragePooling2D()(inputs)
    path = tmp_path / "model.keras"
    about = {"input_range": "0..255", "outputs": "probabilities"}
    save_model(keras.Model(inputs, outputs), path, about)
    with pytest.raises(ValueError, match=r"in memory.*crop=0\.5"):
        evaluate(model=str(path), data="digits", crop=0.5)


@pytest.mark.parametrize(
    "argument, value",
    [
        ("split", "tset"),
        ("split", "train"),
        ("batch_size", 0),
        ("batch_size", -1),
        ("batch_size", 2.5),
        ("limit", 0),
        ("limit", -3),
        ("limit", 2.5),
        ("limit", True),
        ("image_size", 0),
        ("interpolation", "lanczos"),
        ("crop", 0),
        ("crop", "squeeze"),
        ("images", 0),
        ("validation_split", 1),
    ],
)
def test_arguments_of_evaluate(argument, value):
    arguments = {"preset": "nasnet_cifar", "weights": "w", "data": "digits"}
    with pytest.raises(ValueError, match=rf"`{argument}` .*{argument}="):
        evaluate(**arguments, **{argument: value})


@pytest.mark.parametrize("both", [True, False])
def test_either_a_preset_or_a_model(both):
    given = {"preset": "nasnet_cifar", "model": "x"} if both else {}
    with pytest.raises(ValueError, match="either `preset` or `model`"):
        evaluate(**given)
