"""`export` of networks of the zoo and of the shipped weights."""

import collections
import itertools

import keras
import numpy as np
import pytest

from nasnet_keras import from_preset, get_preset
from nasnet_keras.deploy import export
from nasnet_keras.deploy.exporting.formats import FORMATS as ALL_FORMATS
from nasnet_keras.deploy.exporting.runtimes import open_file
from nasnet_keras.inference.predict import load_network
from tests.deploy.exporting.common import FILES, FORMATS, colours
from tests.support.sources import perturb_batch_norm, relative_error

# The converters warn of their own old code.
pytestmark = pytest.mark.filterwarnings("ignore")
FAMILIES = ("nasnet_tiny", "pnasnet_tiny", "amoebanet_tiny")
SIDE = 35
QUICK = {
    ("nasnet_tiny", "onnx"),
    ("pnasnet_tiny", "openvino"),
    ("amoebanet_tiny", "openvino"),
}


def cases(quick, *choices):
    """All combinations; those that are not quick are for `make test-all`."""
    return [
        pytest.param(*case, marks=() if case in quick else pytest.mark.long)
        for case in itertools.product(*choices)
    ]


def filters_of(path):
    """Number of filters -> how many convolutions of a file have it."""
    import openvino  # It reads ONNX, too.

    graph = openvino.Core().read_model(path)
    return collections.Counter(
        operation.get_output_partial_shape(0)[1].get_length()
        for operation in graph.get_ops()
        if operation.get_type_name() == "Convolution"
    )


@pytest.mark.parametrize("preset, format", cases(QUICK, FAMILIES, FORMATS))
def test_every_family(preset, format, tmp_path):
    """At an odd side; ONNX and OpenVINO get zeros behind 12 and 24 filters."""
    model = from_preset(
        preset,
        weights=None,
        filters=12,
        input_shape=(SIDE, SIDE, 3),
        include_preprocessing=True,
        classifier_activation=None,
    )
    perturb_batch_norm(model)
    path = tmp_path / FILES[format]
    report = export(model, path, format)
    assert 0 < report["largest_difference"] < 1e-4
    images = colours(3, SIDE)
    (found,) = open_file(path, format)(images)
    assert relative_error(found, model(images)) < 1e-4
    assert np.ptp(found, axis=0).max() > 1e-2
    if ALL_FORMATS[format].multiple == 16:
        number = filters_of(path)
        # Halves of a state, and what joins it, are as narrow as they were.
        assert number[16] > 9 > number[12] and number[32] > 9 > number[24]


@pytest.fixture(scope="module")
def shipped():
    """The network whose weights are in the package."""
    return load_network(get_preset("nasnet_cifar"), "cifar10")


@pytest.fixture(scope="module")
def cifar10(shared_data):
    """200 images to calibrate with, 200 others and their labels."""
    from nasnet_keras.training.data import load_dataset

    folder = shared_data("tensorflow_datasets")
    dataset = load_dataset("cifar10", data_dir=folder, images=200)
    images, labels = dataset.test
    known = np.asarray(dataset.train[0][:200], "float32")
    return known, np.asarray(images[:200], "float32"), labels[:200]


def scores(run, images, batch=64):
    """The first output for all images."""
    parts = [
        keras.tree.flatten(run(images[first : first + batch]))[0]
        for first in range(0, len(images), batch)
    ]
    return np.concatenate(list(map(keras.ops.convert_to_numpy, parts)))


@pytest.mark.parametrize("format", cases({("openvino",)}, FORMATS))
def test_the_shipped_weights(format, shipped, cifar10, tmp_path):
    """Of real images: the same probabilities, the same classes."""
    images, labels = (x[:64] for x in cifar10[1:])
    path = tmp_path / FILES[format]
    report = export(shipped, path, format, calibration=images)
    assert report["same_predictions"] == 1 and report["images"] == 64
    assert report["compared_on"] == "given images"
    ours = scores(open_file(path, format), images)
    np.testing.assert_allclose(ours, scores(shipped, images), atol=1e-4)
    assert (ours.argmax(1) == labels).mean() > 0.8


@pytest.mark.parametrize(
    "format", [f for f in FORMATS if "int8" in ALL_FORMATS[f].precisions]
)
@pytest.mark.long
def test_the_shipped_weights_in_8_bits(format, shipped, cifar10, tmp_path):
    """They agree on images that they were not calibrated with."""
    known, images, labels = cifar10
    path = tmp_path / FILES[format]
    report = export(shipped, path, format, "int8", calibration=known)
    assert report["compared_on"] == "calibration images"
    assert report["same_predictions"] > 0.9
    ours, theirs = (
        scores(open_file(path, format), images),
        scores(shipped, images),
    )
    assert (ours.argmax(1) == theirs.argmax(1)).mean() > 0.95
    assert (ours.argmax(1) == labels).mean() > 0.85
