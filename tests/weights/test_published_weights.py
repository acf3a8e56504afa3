"""`weights="imagenet"`, from a server of the test's own to the network.

The real addresses cannot be reached from everywhere; all else is real: files
as keras.applications and TF-slim write them, hashes, cache, logs.
"""

import dataclasses
import hashlib
import logging
import pathlib
import tarfile

import keras
import numpy as np
import pytest

import nasnet_keras
from nasnet_keras.genotypes.published import DARTS_V2
from nasnet_keras.presets import registry as presets
from nasnet_keras.presets.registry import PNASNET
from nasnet_keras.presets.types import Preset, Weights
from nasnet_keras.weights.download import DownloadError
from tests.support.keras_internals import nasnet
from tests.support.sources import (
    relative_error,
    small_keras_nasnet,
    write_legacy_h5,
)

ROOT = pathlib.Path(__file__).parents[2]
pytestmark = pytest.mark.usefixtures("cache")


def published(server, name, path, **fields):
    """Serves a file; returns its description as in a preset."""
    content = path.read_bytes()
    url = server.publish(name, content)
    md5 = hashlib.md5(content).hexdigest()
    return {"url": url, "md5": md5, **fields}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Files of a small NASNet of keras.applications, with and without top."""
    folder = tmp_path_factory.mktemp("keras")
    model = small_keras_nasnet(seed=2, classes=1000)
    write_legacy_h5(model, folder / "top.h5")
    body = keras.Model(model.input, model.layers[-3].output)
    write_legacy_h5(body, folder / "no-top.h5")
    return folder, model


@pytest.fixture
def preset(server, files):
    folder, _ = files
    top = published(server, "top.h5", folder / "top.h5")
    no_top = published(server, "no-top.h5", folder / "no-top.h5")
    weights = Weights(
        format="keras_applications",
        **top,
        no_top_url=no_top["url"],
        no_top_md5=no_top["md5"],
    )
    configuration = {
        "cells_per_stack": 1,
        "filters": 8,
        "pooling_semantics": "keras",
    }
    return Preset("small", configuration, 32, weights={"imagenet": weights})


def images(*shape):
    rng = np.random.default_rng(0)
    return rng.uniform(-1, 1, (2, *shape)).astype("float32")


def body_of(model):
    return keras.Model(model.input, model.layers[-3].output)


def test_loads_and_is_downloaded_once(preset, files, server):
    x = images(32, 32, 3)
    for weights in ({"weights": "imagenet"}, {}):  # The default.
        model = nasnet_keras.from_preset(preset, **weights)
        assert relative_error(model(x), files[1](x)) < 1e-5
    assert server.requests == ["/top.h5"]


def test_without_top_the_smaller_file_is_taken(preset, files, server):
    model = nasnet_keras.from_preset(preset, include_top=False)
    x = images(32, 32, 3)
    assert relative_error(model(x), body_of(files[1])(x)) < 1e-5
    assert server.requests == ["/no-top.h5"]


def test_other_classes_load_the_body_and_say_so(preset, files, server, caplog):
    model = nasnet_keras.from_preset(preset, classes=7)
    assert server.requests == ["/no-top.h5"]
    assert model.output_shape == (None, 7)
    assert "still random and to be trained: predictions" in caplog.text
    x = images(32, 32, 3)
    features = keras.Model(model.input, model.get_layer("top_relu").output)
    assert relative_error(features(x), body_of(files[1])(x)) < 1e-5


def test_auxiliary_head_is_named_as_fresh(preset, caplog):
    nasnet_keras.from_preset(
        preset, auxiliary_head=True, input_shape=(80, 80, 3)
    )
    (said,) = (x for x in caplog.messages if "to be trained" in x)
    layers = ("aux_proj", "aux_bn0", "aux_conv", "aux_bn1")
    for name in (*layers, "auxiliary_predictions"):
        assert name in said


@pytest.mark.parametrize(
    "shape",
    [(None, None, 3), pytest.param((47, 64, 3), marks=pytest.mark.long)],
)
def test_another_size_loads_fully(preset, files, shape, caplog):
    model = nasnet_keras.from_preset(preset, input_shape=shape)
    expected = nasnet_keras.from_preset(preset)
    for a, b in zip(model.get_weights(), expected.get_weights()):
        np.testing.assert_array_equal(a, b)
    assert "random" not in caplog.text


@pytest.mark.parametrize(
    "channels", [1, pytest.param(4, marks=pytest.mark.long)]
)
def test_other_channels_adapt_the_stem(preset, channels, caplog):
    model = nasnet_keras.from_preset(preset, input_shape=(32, 32, channels))
    assert f"adapted from 3 channels to {channels}" in caplog.text
    expected = nasnet_keras.from_preset(preset)
    first, *others = zip(model.get_weights(), expected.get_weights())
    np.testing.assert_allclose(first[0].sum(2), first[1].sum(2), atol=1e-6) if (
        channels == 1
    ) else np.testing.assert_allclose(
        first[0][:, :, :3], first[1] * 3 / channels, rtol=1e-6
    )
    for a, b in others:
        np.testing.assert_array_equal(a, b)


def test_a_network_with_other_cells_is_refused(preset):
    with pytest.raises(ValueError, match="misshapen"):
        nasnet_keras.from_preset(preset, filters=12)


def test_preprocessing_within_the_network(preset):
    raw = nasnet_keras.from_preset(preset, include_preprocessing=True)
    plain = nasnet_keras.from_preset(preset)
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (2, 32, 32, 3)).astype("uint8")
    scaled = nasnet_keras.preprocess_input(x)
    assert scaled.min() < -0.9 and scaled.max() > 0.9
    assert relative_error(raw(x), plain(scaled)) < 1e-5


def test_offline_nothing_is_built_and_the_error_has_the_facts(
    preset, cache, monkeypatch
):
    weights = dataclasses.replace(
        preset.weights["imagenet"], url="http://127.0.0.1:9/NASNet-mobile.h5"
    )
    preset = dataclasses.replace(preset, weights={"imagenet": weights})
    monkeypatch.setattr("nasnet_keras.zoo.build_network", None)
    with pytest.raises(DownloadError) as error:
        nasnet_keras.from_preset(preset)
    for fact in (weights.url, weights.md5, str(cache / "NASNet-mobile.h5")):
        assert fact in str(error.value)


@pytest.fixture
def archive(server, shared_data, tmp_path):
    """A checkpoint packed as the authors' archives are; no hash known."""
    pytest.importorskip("tensorflow")
    folder = shared_data("tf_slim_reference", "pnasnet_mobile_tiny")
    path = tmp_path / "pnasnet.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for file in sorted(folder.glob("model.ckpt*")):
            tar.add(file, file.name)
    url = server.publish("pnasnet.tar.gz", path.read_bytes())
    weights = Weights(format="tf_slim", url=url, classes=10)
    configuration = {
        "cells_per_stack": 3,
        "filters": 8,
        "classes": 10,
        **PNASNET,
    }
    preset = Preset("pnas", configuration, 96, weights={"imagenet": weights})
    return preset, folder


def test_the_authors_archive(archive, cache, server, caplog):
    preset, folder = archive
    model = nasnet_keras.from_preset(preset, classifier_activation=None)
    with np.load(folder / "reference.npz") as reference:
        expected = reference["logits"][:, 1:]
        assert relative_error(model(reference["input"]), expected) < 1e-4
    assert "Recorded sha256" in caplog.text
    nasnet_keras.from_preset(preset)
    assert server.requests == ["/pnasnet.tar.gz"]


def test_the_authors_archive_for_other_classes(archive, caplog):
    caplog.set_level(logging.WARNING)
    nasnet_keras.from_preset(archive[0], classes=3, input_shape=(64, 64, 1))
    assert "to be trained: predictions" in caplog.text
    assert "adapted from 3 channels to 1" in caplog.text


def test_the_archives_auxiliary_head(archive, caplog):
    """Layers that depend on size and classes are not loaded, but named."""
    options = {"auxiliary_head": True, "weights": "imagenet"}
    whole = nasnet_keras.from_preset(archive[0], **options)
    assert "to be trained" not in caplog.text
    for other, fresh in (
        ({"input_shape": (160, 160, 3)}, "aux_conv"),
        ({"classes": 3}, "predictions, auxiliary_predictions"),
    ):
        caplog.clear()
        model = nasnet_keras.from_preset(archive[0], **options, **other)
        assert f"to be trained: {fresh}." in caplog.text
        for name in ("aux_proj", "aux_bn0", "aux_bn1"):
            pairs = zip(
                model.get_layer(name).get_weights(),
                whole.get_layer(name).get_weights(),
            )
            assert all((a == b).all() for a, b in pairs)


def test_an_error_of_the_caller_leaves_the_extraction(archive, cache, caplog):
    preset, _ = archive
    nasnet_keras.from_preset(preset)
    (folder,) = (x for x in cache.iterdir() if x.is_dir())
    inodes = {x: x.stat().st_ino for x in folder.rglob("*")}
    for wrong in ({"macro": "darts"}, {"filters": 9}, {"genotype": DARTS_V2}):
        with pytest.raises(ValueError, match=r"Nothing was loaded|is another"):
            nasnet_keras.from_preset(preset, **wrong)
    assert {x: x.stat().st_ino for x in folder.rglob("*")} == inodes
    assert "Extracting" not in caplog.text


def test_a_damaged_extraction_is_mended(archive, cache, server, caplog):
    preset, _ = archive
    expected = nasnet_keras.from_preset(preset)
    (data,) = cache.rglob("*.data-*")
    data.write_bytes(data.read_bytes()[:1000])
    model = nasnet_keras.from_preset(preset)
    assert "Extracting the archive again" in caplog.text
    for a, b in zip(model.get_weights(), expected.get_weights()):
        np.testing.assert_array_equal(a, b)
    assert server.requests == ["/pnasnet.tar.gz"]


@pytest.mark.parametrize(
    "name, md5",
    [
        ("NASNet-mobile.h5", "020fb642bf7360b370c678b08e0adf61"),
        ("NASNet-large-no-top.h5", "d81d89dc07e6e56530c4e77faddd61b5"),
    ],
)
def test_addresses_are_those_of_keras_applications(name, md5):
    weights = presets.PRESETS[
        "nasnet_mobile" if "mobile" in name else "nasnet_large"
    ].weights["imagenet"]
    urls = {weights.url: weights.md5, weights.no_top_url: weights.no_top_md5}
    assert urls[f"{nasnet.BASE_WEIGHTS_PATH}{name}"] == md5


@pytest.mark.long
def test_mobile_by_its_own_function(server, monkeypatch, tmp_path):
    """The real network, with a file of its size."""
    pytest.importorskip("tensorflow")  # Keras refuses it on torch.
    theirs = keras.applications.NASNetMobile(weights=None)
    write_legacy_h5(theirs, tmp_path / "mobile.h5")
    served = published(server, "NASNet-mobile.h5", tmp_path / "mobile.h5")
    preset = presets.PRESETS["nasnet_mobile"]
    weights = dataclasses.replace(preset.weights["imagenet"], **served)
    monkeypatch.setitem(preset.weights, "imagenet", weights)
    ours = nasnet_keras.NASNetMobile(pooling_semantics="keras")
    x = images(224, 224, 3)
    assert relative_error(ours(x), theirs(x)) < 1e-4
    # As in the README.
    text = (ROOT / "README.md").read_text()
    code = text.split("```python\n")[1].split("```")[0]
    namespace = {"images": 127.5 * (x + 1)}
    exec(code, namespace)
    best = np.argmax(namespace["model"](x), axis=-1)
    index = nasnet_keras.images.imagenet.class_index()
    for rows, number in zip(namespace["names"], best):
        assert rows[0][:2] == index[number]
        assert len(rows) == 5
