"""Models rebuilt in another precision."""

import json
import re

import keras
import numpy as np
import pytest

import nasnet_keras
from nasnet_keras.layers.walk import all_layers
from nasnet_keras.model_files.precision import in_precision
from nasnet_keras.training.recipes import get_recipe
from nasnet_keras.training.session import TrainingJob, run_training
from tests.support.bright_and_dark import folder_of_images

POLICIES = ("float32", "mixed_float16", "mixed_bfloat16")
IMAGES = np.random.default_rng(0).uniform(0, 255, (2, 16, 16, 3))


@pytest.fixture(scope="module")
def built():
    """The same network built under each policy, with the same weights."""
    models = {}
    for policy in POLICIES:
        keras.config.set_dtype_policy(policy)
        models[policy] = nasnet_keras.from_preset(
            "nasnet_cifar_tiny",
            weights=None,
            include_preprocessing=True,
            dropout_rate=0.1,
        )
    keras.config.set_dtype_policy("float32")
    for model in models.values():
        model.set_weights(models["float32"].get_weights())
    return models


def policies(model):
    return [
        # Keras numbers the layers inside cells.
        (re.sub(r"_\d+$", "", layer.name), layer.dtype_policy.name)
        for layer in all_layers(model, include_self=False)
        if not isinstance(layer, keras.layers.InputLayer)
    ]


@pytest.mark.parametrize("wanted", POLICIES)
@pytest.mark.parametrize("given", POLICIES)
def test_as_if_it_had_been_built_so(given, wanted, built):
    """Layer by layer, those inside the cells too; and it computes so."""
    model = in_precision(built[given], wanted)
    assert sorted(policies(model)) == sorted(policies(built[wanted]))
    assert (model is built[given]) is (given == wanted)
    np.testing.assert_array_equal(
        model.predict(IMAGES, verbose=0),
        built[wanted].predict(IMAGES, verbose=0),
    )


def test_models_inside(built):
    """Around a network: its own preprocessing and classifier stay single."""
    inputs = keras.Input((16, 16, 3))
    inner = keras.Sequential([built["float32"], keras.layers.Dense(3)])
    model = keras.Model(inputs, keras.layers.Softmax()(inner(inputs)))
    mixed = in_precision(model, "mixed_bfloat16")
    found = dict(policies(mixed))
    assert found["stem_conv"] == found["cell"] == "mixed_bfloat16"
    assert found["softmax"] == found["predictions"] == "float32"
    assert found["preprocessing"] == "float32"
    again = in_precision(mixed, "float32")
    assert set(dict(policies(again)).values()) == {"float32"}
    expected = model.predict(IMAGES, verbose=0)
    np.testing.assert_array_equal(again.predict(IMAGES, verbose=0), expected)


@pytest.mark.parametrize("given, wanted", [POLICIES[:2], POLICIES[1::-1]])
def test_a_training_has_the_precision_that_it_records(given, wanted, tmp_path):
    data = folder_of_images(tmp_path / "levels")
    keras.config.set_dtype_policy(given)
    try:
        inputs = keras.Input((8, 8, 3))
        x = keras.layers.Rescaling(1 / 255)(inputs)
        x = keras.layers.Conv2D(2, 3, name="first")(x)
        x = keras.layers.GlobalAveragePooling2D()(x)
        outputs = keras.layers.Dense(2, "softmax", dtype="float32")(x)
        keras.Model(inputs, outputs).save(tmp_path / "start.keras")
        job = TrainingJob(
            tmp_path / "run",
            get_recipe("cifar10_short"),
            {"epochs": 1, "batch_size": 2, "image_size": 8},
            model=str(tmp_path / "start.keras"),
            data=str(data),
            precision=wanted,
        )
        run_training(job, 0, lambda line: None)
    finally:
        keras.config.set_dtype_policy("float32")
    trained = nasnet_keras.load_model(tmp_path / "run" / "model.keras")
    assert trained.get_layer("first").dtype_policy.name == wanted
    assert trained.layers[-1].dtype_policy.name == "float32"
    recorded = json.loads((tmp_path / "run" / "run.json").read_text())
    assert recorded["configuration"]["precision"] == wanted
