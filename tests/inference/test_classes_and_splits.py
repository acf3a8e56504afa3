"""Which classes, which images: of networks and data that people have."""

import keras
import numpy as np
import pytest

from nasnet_keras.inference.evaluate import evaluate
from nasnet_keras.inference.labelled_images import (
    default_data,
    open_images,
)
from nasnet_keras.inference.recorded_data import recorded_split
from nasnet_keras.model_files import save_model
from nasnet_keras.presets import get_preset
from nasnet_keras.presets.types import Preset
from nasnet_keras.training.data import load_dataset
from tests.support.bright_and_dark import (
    ACCURACY,
    folder_of_images,
    loss,
    scaled,
)
from tests.support.commands import call


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return folder_of_images(tmp_path_factory.mktemp("data") / "levels")


@pytest.fixture
def model(tmp_path):
    """Function that saves the network with what is stored; returns its path."""

    def save(**about):
        path = tmp_path / "model.keras"
        save_model(scaled(), path, about)
        return path

    return save


def reversed_classes():
    """A network whose first class is `dark`."""
    network = scaled()
    layer = network.layers[-1]
    layer.set_weights([value[..., ::-1] for value in layer.get_weights()])
    return network


def test_classes_in_another_order(data, tmp_path):
    """Labels are those of the network, whichever part is measured."""
    path = tmp_path / "model.keras"
    save_model(reversed_classes(), path, {"class_names": ["dark", "bright"]})
    result = evaluate(model=path, data=data, split="all").result
    assert result["top1"] == pytest.approx(ACCURACY)
    assert result["loss"] == pytest.approx(loss(), rel=1e-4)
    preset = Preset("named", {}, 8, class_names=("dark", "bright", "grey"))
    images = open_images(preset, str(data), "test", 8)
    names = [path.split("/")[0] for path in images.images.names]
    assert [preset.class_names[k] for k in images.labels] == names


@pytest.mark.parametrize("split", ["all", "test"])
def test_other_classes(split, data, model):
    path = model(class_names=["bright", "night"])
    with pytest.raises(ValueError, match="dark"):
        evaluate(model=path, data=data, split=split)


def test_other_numbers_of_classes(model):
    """Ten classes of data, two of the network; none of them has names."""
    with pytest.raises(
        ValueError, match=r"tells 2 classes .* has 10: 0, 1, 2,"
    ):
        evaluate(model=model(), data="digits")


def test_imagenet_knows_wordnet_ids_alone(data):
    imagenet = Preset("imagenet", {}, 8, class_names="imagenet")
    for split in ("test", "all"):
        with pytest.raises(ValueError, match="bright, dark"):
            open_images(imagenet, str(data), split, 8)
    with pytest.raises(ValueError, match="knows the 1000 classes n01440764"):
        open_images(imagenet, "digits", "test", 8)


def test_default_data():
    mobile, cifar = get_preset("nasnet_mobile"), get_preset("nasnet_cifar")
    assert default_data(cifar, {}) == "cifar10"
    assert default_data(mobile, {"name": "digits"}) == "digits"
    for preset in (mobile, Preset("mine", {}, 8)):
        with pytest.raises(ValueError, match="--data"):
            default_data(preset, {})


def test_imagenet_without_data(tmp_path, capsys):
    words = ("evaluate", "--preset", "nasnet_mobile", "--weights", "x.h5")
    assert call(*words) == 2
    assert "ImageNet's validation images" in capsys.readouterr().err


def test_the_data_of_the_training_are_the_default(data, model, capsys):
    path = model(data={"name": str(data), "sha256": "0"})
    assert call("evaluate", "--model", path, "--batch-size", 2) == 0
    lines = capsys.readouterr().out.splitlines()
    count = len(load_dataset(data, image_size=8).test[1])
    assert f"on the {count} images of {data} (test)" in lines[0]
    assert "crop 0.875, bicubic" in lines[1]
    assert f"{count} of the 9 images" in lines[2] and "--split all" in lines[2]
    assert call("evaluate", "--model", path, "--split", "all") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and "top-1 88.89%" in lines[0]


def test_images_that_are_no_files_are_not_cropped(tmp_path, capsys):
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Rescaling(1 / 255)(inputs)
    x = keras.layers.GlobalAveragePooling2D()(x)
    outputs = keras.layers.Dense(10, activation="softmax")(x)
    keras.Model(inputs, outputs).save(path := tmp_path / "model.keras")
    assert call("evaluate", "--model", path, "--data", "digits") == 0
    assert "image size 8, no crop, " in capsys.readouterr().out


def test_the_split_of_the_training_is_used(model):
    """The validation images are those that were not trained on."""
    recorded = {"name": "digits", "validation_split": 0.3, "images": 200}
    about = {"data": recorded}
    assert recorded_split(about, "digits", "validation") == {
        "validation_split": 0.3,
        "images": 200,
    }
    assert recorded_split(about, "cifar10", "test") == {}
    assert recorded_split({}, "digits", "validation") == {}
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Rescaling(1 / 255)(inputs)
    outputs = keras.layers.Dense(10, activation="softmax")(
        keras.layers.GlobalAveragePooling2D()(x)
    )
    path = model()
    save_model(keras.Model(inputs, outputs), path, {"data": recorded})
    measured = evaluate(model=path, split="validation").data
    expected = load_dataset(
        "digits", image_size=8, validation_split=0.3, images=200
    ).validation
    np.testing.assert_array_equal(measured.images, expected[0])
    given = evaluate(model=path, split="validation", images=100)
    assert given.result["images"] == 30


@pytest.mark.parametrize(
    "name, split, says",
    [
        ("digits", "test", True),
        ("digits", "validation", True),
        ("cifar10", "validation", True),
        ("cifar10", "test", False),
    ],
)
def test_a_split_that_was_not_recorded(name, split, says, capsys):
    """By an earlier version: the images may be among the trained ones."""
    assert recorded_split({"data": {"name": name}}, name, split) == {}
    said = capsys.readouterr().err
    assert ("may have been trained on some" in said) is says


def test_the_same_folder_by_another_path(data, monkeypatch):
    about = {"data": {"name": str(data), "validation_split": 0.3}}
    monkeypatch.chdir(data.parent)
    assert recorded_split(about, data.name, "validation") == {
        "validation_split": 0.3
    }


def test_train_and_test_folders(tmp_path, data):
    for part in ("train", "test"):
        folder_of_images(tmp_path / part)
    preset = Preset("mine", {}, 8)
    images = open_images(preset, str(tmp_path), "test", 8)
    assert len(images) == 9 and images.whole is None
    with pytest.raises(ValueError, match="folders train and test"):
        open_images(preset, str(tmp_path), "all", 8)
