"""Class names and weights of the networks that `nasnet predict` runs."""

import re

import numpy as np
import pytest

import nasnet_keras
from nasnet_keras import presets
from nasnet_keras.inference.evaluate import evaluate
from nasnet_keras.inference.predict import (
    class_names,
    load_network,
    predict_scores,
)
from nasnet_keras.model_files.contract import Said
from nasnet_keras.presets.types import Preset, Weights
from nasnet_keras.zoo import build_preset
from tests.support.colours import Zoo
from tests.support.commands import call


@pytest.fixture
def zoo(monkeypatch):
    zoo = Zoo(monkeypatch)
    zoo.add("colours")
    return zoo


def test_the_presets_own_activation(zoo):
    """A sigmoid of one class, or of many, is no softmax."""
    for given, expected in (("sigmoid", "sigmoid"), (None, "softmax")):
        preset = Preset(
            "mine",
            {"classifier_activation": given},
            8,
            weights={"imagenet": Weights("keras_applications", "")},
        )
        load_network(preset)
        overrides = zoo.calls[-1][2]
        assert overrides["classifier_activation"] == expected


def test_names_of_imagenet(zoo):
    zoo.add("imagenet", class_names="imagenet")
    preset = presets.get_preset("imagenet")
    names = class_names(preset, np.zeros((2, 1000)))
    assert names[0] == "tench (n01440764)"
    assert len(set(names)) == 1000


@pytest.mark.parametrize("shape", [(2, 4), (2, 5, 5, 3)])
def test_other_classes_than_named(zoo, shape):
    with pytest.raises(ValueError, match=re.escape(str(shape))):
        class_names(presets.get_preset("colours"), np.zeros(shape))


@pytest.fixture(scope="module")
def tiny():
    """Pair: a preset of ten classes, its network."""
    preset = presets.get_preset("nasnet_cifar_tiny")
    return preset, nasnet_keras.from_preset(preset, weights=None)


WRONG = {
    "no classifier": ({"include_top": False}, "has no classifier for the 10"),
    "other classes": ({"classes": 3}, "has no classifier for the 10 classes"),
    "other channels": ({"input_shape": (16, 16, 1)}, "than the 3 of the pre"),
}


@pytest.mark.parametrize("form", WRONG)
def test_weights_that_leave_something_random(form, tiny, tmp_path):
    """Training starts from such weights; predictions of them are noise."""
    overrides, message = WRONG[form]
    other = nasnet_keras.from_preset(tiny[0], weights=None, **overrides)
    for suffix in (".keras", ".h5"):
        path = tmp_path / f"other{suffix}"
        other.save(path)
        with pytest.raises(ValueError, match=f"{path} .*{message}"):
            load_network(tiny[0], str(path))
    with pytest.raises(ValueError, match=message):
        evaluate("nasnet_cifar_tiny", weights=path, data="digits")


def test_weights_for_inference_in_the_command(tiny, tmp_path, capsys):
    from PIL import Image

    path, image = tmp_path / "body.weights.h5", tmp_path / "image.png"
    Image.new("RGB", (32, 32)).save(image)
    body = nasnet_keras.from_preset(tiny[0], weights=None, include_top=False)
    body.save_weights(path)
    words = ("predict", image, "--preset", "nasnet_cifar_tiny", "--weights")
    assert call(*words, path) == 2
    output = capsys.readouterr()
    assert not output.out and f"{path} has no classifier" in output.err
    tiny[1].save_weights(path)
    assert call(*words, path) == 0
    assert len(capsys.readouterr().out.splitlines()) == 6


def test_a_fresh_auxiliary_head_is_no_obstacle(tiny, tmp_path):
    """The scores are those of the main classifier."""
    path = tmp_path / "main.weights.h5"
    tiny[1].save_weights(path)
    preset = Preset(
        "two_heads", {**tiny[0].configuration, "auxiliary_head": True}, 16
    )
    *_, loaded = build_preset(preset, path)
    assert "auxiliary_predictions" in loaded.fresh
    model = load_network(preset, path)
    images = np.random.default_rng(0).uniform(0, 255, (2, 16, 16, 3))
    scores = predict_scores(model, images.astype("float32"))
    expected = tiny[1].predict_on_batch((images / 127.5 - 1).astype("float32"))
    np.testing.assert_allclose(scores, expected, atol=1e-5)


@pytest.mark.parametrize("preprocessing", [False, True, "whiten"])
def test_the_pixels_of_a_presets_folder(preprocessing, tmp_path, capsys):
    """Without preprocessing they are said, not guessed."""
    configuration = presets.get_preset("nasnet_cifar_tiny").configuration
    configuration |= {"include_preprocessing": preprocessing}
    preset = Preset("mine", configuration, 16)
    model = nasnet_keras.from_preset(preset, weights=None)
    preset = nasnet_keras.save_preset(tmp_path / "mine", preset, model)
    images = np.random.default_rng(0).uniform(0, 255, (2, 16, 16, 3))
    given = {"0..1": images / 255, "-1..1": images / 127.5 - 1}
    if preprocessing:
        given = {None: images, "0..255": images}
    else:
        with pytest.raises(ValueError, match=r"'mine'.*\(--input-range\)"):
            load_network(preset)
    for taken, values in given.items():
        network = load_network(preset, said=Said(taken))
        expected = model.predict_on_batch(values.astype("float32"))
        scores = predict_scores(network, images.astype("float32"))
        np.testing.assert_allclose(scores, expected, atol=1e-5)
    if preprocessing:
        with pytest.raises(ValueError, match="takes images of 0"):
            load_network(preset, said=Said("0..1"))
    words = ("--preset", tmp_path / "mine", "--data", "digits", "--limit", 2)
    assert call("evaluate", *words) == (0 if preprocessing else 2)
    said = capsys.readouterr().err
    assert bool(preprocessing) is ("--input-range" not in said)


def test_a_registered_preset_says_it_itself():
    preset = presets.get_preset("nasnet_cifar_tiny")
    for said in (Said("0..1"), Said(from_logits=True)):
        with pytest.raises(ValueError, match="a preset says itself"):
            load_network(preset, "some/path.h5", said=said)
