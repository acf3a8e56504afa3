"""The weights that come with the package, on real CIFAR-10."""

import json
import logging

import h5py
import numpy as np
import pytest

import nasnet_keras
from nasnet_keras.presets import PRESETS
from tests.support.commands import call

SHIPPED = [
    (name, weights)
    for name, preset in PRESETS.items()
    for weights, known in preset.weights.items()
    if known.format == "shipped"
]


@pytest.fixture(scope="module")
def weights():
    return PRESETS["nasnet_cifar"].weights["cifar10"]


@pytest.fixture(scope="module")
def model():
    return nasnet_keras.NASNetCIFAR(
        weights="cifar10", include_preprocessing=True
    )


@pytest.fixture(scope="module")
def images(shared_data):
    from nasnet_keras.training.data import load_dataset

    folder = shared_data("tensorflow_datasets")
    return load_dataset("cifar10", data_dir=folder).test


def test_there_are_some():
    assert ("nasnet_cifar", "cifar10") in SHIPPED


@pytest.mark.parametrize("preset, name", SHIPPED)
def test_what_is_said_is_what_was_noted(preset, name):
    weights = PRESETS[preset].weights[name]
    record = weights.record()
    assert f"{record['test']['top1']:.2%}" in weights.reported
    assert record["test"]["images"] == 10_000
    recipe = record["configuration"]["recipe"]
    assert len(record["history"]) == recipe["epochs"]
    assert record["half_precision"]["equal"] > 0.998
    assert record["bytes"] == weights.fetch().stat().st_size < 5e6


def test_kernels_are_of_half_precision(weights):
    kinds = {}

    def note(name, item):
        if isinstance(item, h5py.Dataset):
            kinds.setdefault(item.ndim > 1, set()).add(str(item.dtype))

    with h5py.File(weights.fetch()) as file:
        file.visititems(note)
    assert kinds == {True: {"float16"}, False: {"float32"}}


def test_a_twentieth_of_the_test_images(weights, model, images):
    """Within three deviations of what the card says of all of them."""
    x, y = images[0][::20], images[1][::20]
    right = model.predict(x, batch_size=250, verbose=0).argmax(axis=1) == y
    noted = weights.record()["test"]["top1"]
    deviation = (noted * (1 - noted) / len(y)) ** 0.5
    assert len(y) == 500
    assert abs(right.mean() - noted) < 3 * deviation


@pytest.mark.long
def test_the_accuracy_of_the_card(
    weights, shared_data, tmp_path, capsys, images
):
    """All 10,000 test images, by the command that the card gives."""
    output = tmp_path / "result.json"
    assert not call(
        *("evaluate", "--preset", "nasnet_cifar", "--weights", "cifar10"),
        *("--data", "cifar10"),
        *("--data-dir", shared_data("tensorflow_datasets")),
        *("--batch-size", 250, "--output", output),
    )
    noted = weights.record()["test"]["top1"]
    result = json.loads(output.read_text())
    assert result["images"] == 10_000
    # Another machine may round one or two images to another class.
    assert result["top1"] == pytest.approx(noted, abs=3e-4)
    assert f"top-1 {result['top1']:.2%}" in capsys.readouterr().out


def test_raw_and_scaled_images(model, images):
    scaled = nasnet_keras.NASNetCIFAR(weights="cifar10")
    x = images[0][:16].astype("float32")
    expected = model.predict(x, verbose=0)
    actual = scaled.predict(nasnet_keras.preprocess_input(x), verbose=0)
    np.testing.assert_allclose(actual, expected, atol=1e-5)
    assert (expected.argmax(axis=1) == images[1][:16]).mean() > 0.5


def test_another_number_of_classes_leaves_the_classifier_fresh(model, caplog):
    with caplog.at_level(logging.WARNING, "nasnet_keras"):
        other = nasnet_keras.NASNetCIFAR(weights="cifar10", classes=5)
    assert "random and to be trained: predictions" in caplog.text
    assert other.output_shape == (None, 5)
    for cell in ("cell_0", "reduction_cell_1", "cell_2"):
        pairs = zip(
            model.get_layer(cell).get_weights(),
            other.get_layer(cell).get_weights(),
        )
        for one, same in pairs:
            np.testing.assert_array_equal(one, same)


def test_an_auxiliary_head_stays_fresh(caplog):
    with caplog.at_level(logging.WARNING, "nasnet_keras"):
        model = nasnet_keras.NASNetCIFAR(weights="cifar10", auxiliary_head=True)
    assert len(model.outputs) == 2
    assert "auxiliary_predictions" in caplog.text


def test_features_of_grey_images(model, images):
    grey = nasnet_keras.NASNetCIFAR(
        weights="cifar10", input_shape=(32, 32, 1), include_preprocessing=True
    )
    x = images[0][:4].mean(axis=-1, keepdims=True)
    expected = model.predict(np.repeat(x, 3, axis=-1), verbose=0)
    np.testing.assert_allclose(grey.predict(x, verbose=0), expected, atol=1e-4)


def test_the_published_network_is_another():
    preset = nasnet_keras.get_preset("nasnet_cifar")
    assert preset.own_weights is None
    assert preset.weights["cifar10"].configuration


def test_weights_of_another_network_are_refused():
    with pytest.raises(ValueError, match="Nothing was loaded"):
        nasnet_keras.NASNetCIFAR(weights="cifar10", filters=8)


def test_no_such_weights():
    with pytest.raises(ValueError, match=r"no 'cifar10' weights.*nasnet_cifar"):
        nasnet_keras.NASNetMobile(weights="cifar10")
