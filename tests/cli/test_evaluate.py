"""`nasnet evaluate` of model files, and the errors that it reports."""

import keras
import pytest

from nasnet_keras.model_files import load_model, read_about, save_model
from tests.support.commands import call


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "model.keras"
    inputs = keras.Input((None, None, 3))
    x = keras.layers.GlobalAveragePooling2D()(inputs)
    outputs = keras.layers.Dense(10, activation="softmax")(x)
    names = [str(digit) for digit in range(10)]
    about = {"class_names": names, "image_size": 8, "input_range": "0..255"}
    save_model(keras.Model(inputs, outputs), path, about)
    return path


def test_what_a_model_file_carries(model):
    assert read_about(model)["image_size"] == 8
    assert load_model(model).output_shape == (None, 10)
    assert keras.saving.load_model(model).output_shape == (None, 10)


def test_a_file_that_is_no_model(tmp_path):
    path = tmp_path / "model.keras"
    path.write_text("not a model")
    for function in (read_about, load_model):
        with pytest.raises(ValueError, match=r"not a \.keras file"):
            function(path)


def evaluate(*arguments):
    return call("evaluate", *arguments)


@pytest.mark.parametrize("split, images", [("test", 359), ("validation", 144)])
def test_command(model, capsys, split, images):
    assert not evaluate(
        *("--model", model, "--data", "digits", "--split", split)
    )
    output = capsys.readouterr().out
    assert f"the {images} images of digits ({split}): top-1 " in output


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "either --preset or --model"),
        (["--preset", "nasnet_cifar", "--model", "x"], "either --preset or"),
        (["--model", "none.keras"], "none.keras"),
        (["--preset", "nasnet_cifar"], "no weights of its own"),
        (["--model", "MODEL", "--batch-size", "0"], "--batch-size must be"),
        (
            [
                *("--model", "MODEL", "--data", "digits"),
                *("--split", "validation", "--validation-split", "0"),
            ],
            "validation part of digits is empty",
        ),
    ],
)
def test_errors(model, capsys, arguments, message):
    arguments = [model if word == "MODEL" else word for word in arguments]
    assert evaluate(*arguments) == 2
    assert message in capsys.readouterr().err


def test_other_classes(model, shared_data, capsys):
    data = shared_data("flowers")
    assert evaluate("--model", model, "--data", data) == 2
    assert "The classes of" in capsys.readouterr().err
