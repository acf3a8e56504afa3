"""Models as people save them: measured rightly, or refused with the remedy."""

import json
import re
import zipfile

import keras
import numpy as np
import pytest
from keras import layers

import nasnet_keras
from nasnet_keras.inference.evaluate import evaluate
from nasnet_keras.model_files import load_with_preset, read_about, save_model
from tests.support.bright_and_dark import (
    ACCURACY,
    around,
    folder_of_images,
    head,
    loss,
    probabilities,
    raw,
    scaled,
    two_heads,
)
from tests.support.commands import call

LOGITS = {"from_logits": True}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return folder_of_images(tmp_path_factory.mktemp("data") / "levels")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.keras"


def measured(path, data, **options):
    return evaluate(model=path, data=data, split="all", **options).result


FORMS = {
    "-1..1": (raw, {"input_range": "-1..1"}),
    "0..1": (lambda: raw(least=0), {"input_range": "0..1"}),
    "0..255": (lambda: raw(least=0, most=255), {"input_range": "0..255"}),
    "its own preprocessing": (scaled, {}),
    "operations": (lambda: around(raw(), lambda x: x / 127.5 - 1), {}),
    "logits": (lambda: scaled(activation=None), LOGITS),
    "one sigmoid": (lambda: scaled(units=1, activation="sigmoid"), {}),
    "one logit": (lambda: scaled(units=1, activation=None), LOGITS),
    "never called": (lambda: keras.Sequential([scaled()]), {}),
    "sequential": (
        lambda: keras.Sequential(
            [keras.Input((8, 8, 3)), layers.Rescaling(1 / 255), raw(least=0)]
        ),
        {},
    ),
    "softmax outside": (
        lambda: around(scaled(activation=None), after=layers.Softmax()),
        {},
    ),
    "cast outside": (
        lambda: around(scaled(), after=layers.Activation("linear")),
        {},
    ),
    "two heads": (two_heads, {}),
    "grey": (lambda: scaled((8, 8, 1)), {}),
    "any size": (lambda: scaled((None, None, 3)), {"image_size": 8}),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.filterwarnings("ignore:You are saving a model that has not")
def test_forms(form, data, path):
    build, options = FORMS[form]
    build().save(path)
    result = measured(path, data, **options)
    assert result["top1"] == pytest.approx(ACCURACY)
    assert result["loss"] == pytest.approx(loss(), rel=1e-4)


REFUSED = {
    "range": (raw, {}, "--input-range): one of 0..255, 0..1, -1..1"),
    "logits": (
        lambda: scaled(activation=None),
        {},
        "(--from-logits); if they are probabilities all the same, False "
        "(--no-from-logits).",
    ),
    "feature maps": (
        lambda: keras.Model((m := scaled()).input, m.layers[1].output),
        {},
        "(None, 8, 8, 3): feature maps",
    ),
    "pooled features": (
        lambda: around(raw(), lambda x: x / 255, layers.ReLU()),
        {"input_range": "0..255"},
        "ends in relu",
    ),
    "other range": (scaled, {"input_range": "0..1"}, "takes images of 0..255"),
    "no such range": (raw, {"input_range": "0..256"}, "input_range='0..256'"),
    "no logits": (scaled, LOGITS, "ends in softmax"),
    "another size": (scaled, {"image_size": 9}, "8 pixels alone. Received"),
    "no size": (lambda: scaled((None, None, 3)), {}, "--image-size"),
    "no square": (lambda: scaled((8, 9, 3)), {}, "(None, 8, 9, 3)"),
    "no images": (
        lambda: keras.Sequential([keras.Input((4,)), layers.Softmax()]),
        {},
        "input shape (None, 4)",
    ),
    "two inputs": (
        lambda: keras.Model(
            [a := keras.Input((8, 8, 3)), b := keras.Input((8, 8, 3))],
            head(a + b),
        ),
        {},
        "one input",
    ),
    "weights": (scaled, {"weights": "x.h5"}, "--weights is for presets"),
}


@pytest.mark.parametrize("form", REFUSED)
def test_what_nobody_says_is_refused(form, data, path):
    build, options, message = REFUSED[form]
    build().save(path)
    with pytest.raises(ValueError) as error:
        measured(path, data, **options)
    assert message in str(error.value)


def test_commands(data, path, capsys):
    """The same by the command line; without the flag, status 2."""
    raw().save(path)
    words = ("evaluate", "--model", path, "--data", data, "--split", "all")
    assert call(*words, "--input-range", "-1..1") == 0
    assert "top-1 88.89%" in capsys.readouterr().out
    assert call(*words) == 2
    assert "--input-range" in capsys.readouterr().err
    scaled(activation=None).save(path)
    image = data / "bright" / "1.png"
    words = ("predict", image, "--model", path, "--image-size", 8)
    assert call(*words, "--from-logits") == 0
    bright, dark = probabilities(180)
    lines = [f"  {bright:.4f}  class 0", f"  {dark:.4f}  class 1"]
    output = capsys.readouterr()
    assert output.out.splitlines() == [str(image), *lines]
    assert "0.875" in output.err  # The model stores no crop.
    assert call(*words) == 2


LAYERS = {
    "0..255": [
        (layers.Rescaling(1 / 255),),
        (layers.Rescaling(1 / 127.5, -1),),
        (layers.Rescaling(1 / 255, -0.5),),
        (layers.Normalization(mean=[120, 115, 100], variance=[4000] * 3),),
        (
            layers.Rescaling(1 / 255),
            layers.Normalization(
                mean=[0.485, 0.456, 0.406], variance=[0.052, 0.05, 0.051]
            ),
        ),
        (layers.RandomContrast(0.5), layers.Rescaling(1 / 255)),
        (layers.Resizing(6, 6), layers.Rescaling(1 / 255)),
        (nasnet_keras.layers.whitening.Whitening(),),
    ],
    "0..1": [
        (layers.Rescaling(2.0, -1),),
        (layers.Rescaling(255.0), layers.Rescaling(1 / 127.5, -1)),
    ],
    "-1..1": [(layers.Rescaling(127.5, 127.5),), (layers.Rescaling(0.5, 0.5),)],
    None: [
        (),
        (layers.Rescaling(1.0),),
        (layers.Normalization(mean=0, variance=1),),
        # Of 0..1, or of -1..1.
        (layers.Normalization(mean=0.45, variance=0.05),),
        (layers.ZeroPadding2D(), layers.Rescaling(1 / 255)),
        (layers.ReLU(), layers.Rescaling(1.0, -0.1)),
    ],
}


@pytest.mark.parametrize(
    "expected, chain", [(k, chain) for k, v in LAYERS.items() for chain in v]
)
def test_the_range_that_preprocessing_shows(expected, chain):
    from nasnet_keras.model_files.graph import input_range

    x = inputs = keras.Input((8, 8, 3))
    for layer in chain:
        x = layer(x)
    x = layers.Conv2D(2, 3)(x)
    assert input_range(keras.Model(inputs, x)) == expected


def test_two_branches_show_no_range():
    from nasnet_keras.model_files.graph import input_range

    inputs = keras.Input((8, 8, 3))
    average = layers.GlobalAveragePooling2D()
    outputs = average(layers.Rescaling(1 / 255)(inputs)) + average(inputs)
    assert input_range(keras.Model(inputs, outputs)) is None


def test_what_is_stored(path, data):
    """`save_model` adds what the graph shows; it is used without the graph."""
    names = ["bright", "dark"]
    save_model(scaled(), path, {"class_names": names, "image_size": 8})
    about = read_about(path)
    assert about["input_range"] == "0..255"
    assert about["outputs"] == "probabilities"
    said = {"input_range": "-1..1", "outputs": "logits", "crop": 0.5}
    save_model(raw(activation=None), path, {**said, "class_names": names})
    assert said.items() <= read_about(path).items()
    result = measured(path, data)
    assert result["loss"] == pytest.approx(loss(), rel=1e-4)
    assert result["crop"] == 0.5
    old = {"images": "values of 0 to 255", "image_size": 8}
    save_model(raw(least=0, most=255), path, old)
    assert measured(path, data)["top1"] == pytest.approx(ACCURACY)


@pytest.mark.parametrize(
    "about, message",
    [
        ({"class_names": ["a", "b", "c"]}, "names 3 classes, but tells 2"),
        ({"class_names": "ab"}, "must be a list of strings"),
        ({"crop": 1.5}, "`crop of PATH` must"),
        ({"image_size": "8"}, "`image_size of PATH` must"),
        ({"image_size": 8193}, "`image_size of PATH` must"),
        ({"input_range": "0..9"}, "input_range of PATH='0..9'"),
        ({"outputs": "scores"}, "outputs of PATH='scores'"),
        ({"interpolation": "best"}, "`interpolation of PATH` must"),
    ],
)
def test_a_contract_that_is_damaged(about, message, path):
    scaled().save(path)
    write_about(path, json.dumps(about))
    message = re.escape(message.replace("PATH", str(path)))
    with pytest.raises(ValueError, match=message):
        load_with_preset(path)


def write_about(path, content):
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("about.json", content)


@pytest.fixture
def channels_first():
    keras.config.set_image_data_format("channels_first")
    yield
    keras.config.set_image_data_format("channels_last")


def test_channels_first(channels_first, data, path):
    scaled((3, 8, 8)).save(path)
    model, preset = load_with_preset(path)
    assert preset.image_size == 8 and model.input_shape == (None, 3, 8, 8)
    assert measured(path, data)["loss"] == pytest.approx(loss(), rel=1e-4)


@pytest.mark.parametrize("shape", [(8, 8, 3), (8, 8, 1)])
def test_a_model_keeps_its_own_format(channels_first, data, path, shape):
    raw(shape, data_format="channels_last").save(path)
    result = measured(path, data, input_range="-1..1")
    assert result["loss"] == pytest.approx(loss(), rel=1e-4)


def test_a_preset_is_fed_as_it_was_built(tmp_path):
    """Also images of another size than its own."""
    from nasnet_keras.inference.predict import load_network, predict_scores

    small = {"stem": "cifar", "cells_per_stack": 1, "filters": 2, "classes": 3}
    small["include_preprocessing"] = "whiten"
    preset = nasnet_keras.Preset("mine", small, 8, crop=0.5)
    model = nasnet_keras.from_preset(
        preset, weights=None, input_shape=(None, None, 3)
    )
    model.save_weights(weights := tmp_path / "a.weights.h5")
    pixels = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3))
    loaded = load_network(preset, weights, image_size=16)
    np.testing.assert_allclose(
        predict_scores(loaded, pixels.astype("uint8")),
        model.predict(pixels.astype("float32"), verbose=0),
        atol=1e-5,
    )


@pytest.mark.parametrize("own, expected", [(None, True), ("whiten", "whiten")])
def test_preprocessing_of_presets(own, expected, monkeypatch):
    from nasnet_keras.inference import predict

    asked = []

    def build(preset, weights, **options):
        asked.append(options["include_preprocessing"])
        return scaled(), {}, None

    monkeypatch.setattr(predict, "build_preset", build)
    configuration = {"include_preprocessing": own} if own else {}
    preset = nasnet_keras.Preset("mine", configuration, 8)
    predict.load_network(preset, "some/path.h5")
    assert asked == [expected]


def test_a_preset_stores_its_crop():
    preset = nasnet_keras.Preset(
        "mine", {}, 8, crop=0.5, interpolation="bicubic"
    )
    again = nasnet_keras.Preset.from_dict(preset.to_dict())
    assert (again.crop, again.interpolation) == (0.5, "bicubic")
    assert "crop" not in nasnet_keras.Preset("mine", {}, 8).to_dict()
