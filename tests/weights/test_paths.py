"""`weights=PATH`: other classes and channels, and every kind of file."""

import json
import shutil
import zipfile

import keras
import numpy as np
import pytest

import nasnet_keras
from nasnet_keras.cli.main import main
from nasnet_keras.presets.registry import PNASNET
from nasnet_keras.weights import WeightsError, load_weights
from tests.support.genotypes import ONE_BLOCK
from tests.support.sources import perturb_batch_norm, small_keras_nasnet


def ours(**arguments):
    defaults = {
        "cells_per_stack": 1,
        "filters": 2,
        "stem": "cifar",
        "classes": 3,
        "input_shape": (20, 20, 3),
    }
    return nasnet_keras.NASNet(ONE_BLOCK, **{**defaults, **arguments})


@pytest.fixture(scope="module")
def trained():
    """A network with both heads; layers inside a cell and a cell frozen."""
    keras.utils.set_random_seed(1)
    model = ours(auxiliary_head=True, drop_path_rate=0.2)
    perturb_batch_norm(model)
    model.get_layer("cell_1").trainable = False
    model.get_layer("cell_0").paths[0][0].trainable = False
    return model


def in_a_model(body):
    """What people build for their own classes."""
    inputs = keras.Input(body.input_shape[1:])
    x = keras.layers.GlobalAveragePooling2D()(body(inputs))
    return keras.Model(inputs, keras.layers.Dense(4, name="mine")(x))


def saved(model, path):
    path.parent.mkdir(exist_ok=True)
    if path.name.endswith(".weights.h5"):
        model.save_weights(path)
    else:
        model.save(path)
    return path


def assert_same(model, expected, layers=None):
    for layer in (x for x in model.layers if x.weights):
        if layers is None or layer.name in layers:
            pairs = zip(
                layer.get_weights(),
                expected.get_layer(layer.name).get_weights(),
                strict=True,
            )
            assert all((a == b).all() for a, b in pairs), layer.name


SUFFIXES = pytest.mark.parametrize("suffix", [".keras", ".h5", ".weights.h5"])


@SUFFIXES
def test_our_own_network(trained, suffix, tmp_path):
    path = saved(trained, tmp_path / f"m{suffix}")
    assert_same(ours(auxiliary_head=True, weights=path), trained)
    assert_same(ours(weights=path), trained)
    features = ours(include_top=False, pooling="avg", weights=path)
    assert_same(features, trained)
    network = ours()
    assert load_weights(network, path).fresh == ()
    with pytest.raises(WeightsError, match="misshapen: stem_conv/"):
        load_weights(ours(input_shape=(20, 20, 1)), path)


@SUFFIXES
def test_other_classes_and_channels(trained, suffix, tmp_path, caplog):
    path = saved(trained, tmp_path / f"m{suffix}")
    model = ours(
        classes=5,
        input_shape=(28, 28, 1),
        auxiliary_head=True,
        weights=path,
    )
    fresh = {"aux_conv", "predictions", "auxiliary_predictions"}
    (said,) = (x for x in caplog.messages if "to be trained" in x)
    assert all(name in said for name in fresh) and said.count(",") == 3
    assert "adapted from 3 channels to 1" in caplog.text
    body = {layer.name for layer in model.layers} - fresh - {"stem_conv"}
    assert_same(model, trained, body)
    kernel, rgb = (
        m.get_layer("stem_conv").get_weights()[0] for m in (model, trained)
    )
    np.testing.assert_allclose(kernel, rgb.sum(2, keepdims=True), atol=1e-6)
    before = ours(classes=5).get_weights()
    strict = ours(classes=5)
    strict.set_weights(before)
    with pytest.raises(WeightsError, match="misshapen: predictions/"):
        load_weights(strict, path)
    for now, then in zip(strict.get_weights(), before):
        np.testing.assert_array_equal(now, then)


def test_a_file_without_head(trained, tmp_path, caplog):
    body = ours(include_top=False, pooling="avg")
    path = saved(body, tmp_path / "body.weights.h5")
    model = ours(weights=path)
    assert_same(model, body, {x.name for x in body.layers})
    assert "to be trained: predictions." in caplog.text
    with pytest.raises(WeightsError, match="2 missing: predictions/"):
        load_weights(model, path)


@SUFFIXES
def test_our_network_within_a_model(suffix, tmp_path, caplog):
    body = ours(include_top=False)
    perturb_batch_norm(body)
    path = saved(in_a_model(body), tmp_path / f"m{suffix}")
    model = ours(weights=path)
    assert_same(model, body, {x.name for x in body.layers})
    assert "not of a NASNet: mine." in caplog.text
    assert "to be trained: predictions." in caplog.text
    with pytest.raises(WeightsError, match="2 extra: mine/"):
        load_weights(ours(include_top=False), path)


def test_another_network_is_refused(trained, tmp_path):
    path = saved(trained, tmp_path / "m.keras")
    for other in ({"filters": 4}, {"cells_per_stack": 2}):
        with pytest.raises(WeightsError, match="Nothing was loaded"):
            ours(weights=path, **other)


def test_the_three_convolutions_of_darts(tmp_path, caplog):
    """The first of them reads the images."""
    arguments = {"weights": None, "input_shape": (64, 64, 3)}
    rgb = nasnet_keras.from_preset("darts_imagenet_tiny", **arguments)
    path = saved(rgb, tmp_path / "m.weights.h5")
    grey = nasnet_keras.from_preset(
        "darts_imagenet_tiny", path, input_shape=(64, 64, 1)
    )
    assert "adapted from 3 channels to 1" in caplog.text
    names = {layer.name for layer in rgb.layers} - {"stem_0_conv"}
    assert_same(grey, rgb, names)


# keras.applications -----------------------------------------------------------


@pytest.fixture(scope="module")
def theirs():
    pytest.importorskip("tensorflow")
    model = small_keras_nasnet(seed=1, classes=5)
    perturb_batch_norm(model)
    return model


def small(**arguments):
    defaults = {"weights": None, "classes": 5, "input_shape": (32, 32, 3)}
    return nasnet_keras.from_preset(
        "nasnet_tiny", pooling_semantics="keras", **{**defaults, **arguments}
    )


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    return rng.uniform(-1, 1, (2, 32, 32, 3)).astype("float32")


@SUFFIXES
def test_a_network_of_keras_applications(
    theirs, suffix, tmp_path, images, caplog
):
    path = saved(theirs, tmp_path / f"theirs{suffix}")
    model = small(weights=path)
    np.testing.assert_allclose(model(images), theirs(images), atol=1e-5)
    assert "to be trained" not in caplog.text
    load_weights(model, path)  # Strictly.
    other = small(classes=7, weights=path)
    assert "to be trained: predictions." in caplog.text
    assert_same(other, model, {x.name for x in model.layers} - {"predictions"})


@SUFFIXES
def test_fine_tuned_from_keras_applications(
    theirs, suffix, tmp_path, images, caplog
):
    body = keras.Model(theirs.input, theirs.layers[-3].output)
    path = saved(in_a_model(body), tmp_path / f"tuned{suffix}")
    features = small(include_top=False, weights=path)
    expected = np.asarray(body(images))
    np.testing.assert_allclose(features(images), expected, atol=1e-4)
    assert "not of a NASNet: mine." in caplog.text
    small(weights=path)
    assert "to be trained: predictions." in caplog.text


# TF-slim ----------------------------------------------------------------------


@pytest.fixture
def checkpoint(shared_data, tmp_path):
    """A copy, with the file `checkpoint` of the folder where it was made."""
    pytest.importorskip("tensorflow")
    folder = shared_data("tf_slim_reference", "pnasnet_mobile_tiny")
    copy = tmp_path / "run"
    copy.mkdir()
    for file in folder.glob("model.ckpt*"):
        shutil.copy(file, copy)
    (copy / "checkpoint").write_text(
        'model_checkpoint_path: "/where/it/was/made/model.ckpt"\n'
        'all_model_checkpoint_paths: "/where/it/was/made/model.ckpt"\n'
    )
    return copy / "model.ckpt"


def pnasnet(**arguments):
    defaults = {"cells_per_stack": 3, "filters": 8, "classes": 10}
    return nasnet_keras.NASNet(**{**PNASNET, **defaults, **arguments})


def test_every_name_of_a_checkpoint(checkpoint, tmp_path):
    expected = pnasnet()
    nasnet_keras.load_tf_slim(expected, checkpoint)
    (data,) = checkpoint.parent.glob("*.data-*")
    paths = [data, f"{checkpoint}.index", checkpoint.with_name("checkpoint")]
    model = pnasnet()
    for path in paths:
        model.set_weights([np.zeros_like(w) for w in model.get_weights()])
        load_weights(model, path)
        assert_same(model, expected)
    (checkpoint.parent / "checkpoint").write_text("nothing of the kind")
    with pytest.raises(ValueError, match="names no checkpoint: pass the pref"):
        load_weights(model, checkpoint.with_name("checkpoint"))
    with pytest.raises(
        ValueError, match=r"folder\. Name a file in it: .*index"
    ):
        load_weights(model, checkpoint.parent)
    data.rename(tmp_path / data.name)
    with pytest.raises(ValueError, match="whose other files are missing"):
        load_weights(model, tmp_path / data.name)


def test_a_checkpoint_for_other_classes(checkpoint, caplog):
    model = pnasnet(classes=4, input_shape=(64, 64, 1), weights=checkpoint)
    assert "to be trained: predictions." in caplog.text
    assert "adapted from 3 channels to 1" in caplog.text
    assert model.output_shape == (None, 4)


@pytest.mark.parametrize("name", ["index", "data-00000-of-00001", "checkpoint"])
def test_convert_demands_averages(shared_data, tmp_path, name, capsys):
    """By the name of any of the checkpoint's files; this one has none."""
    pytest.importorskip("tensorflow")
    folder = shared_data("tf_slim_reference", "nasnet_large_tiny")
    for file in folder.glob("model.ckpt*"):
        shutil.copy(file, tmp_path)
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "model.ckpt"')
    prefix = tmp_path / "model.ckpt"
    source = tmp_path / name if name == "checkpoint" else f"{prefix}.{name}"
    words = ["convert", source, "--preset", "nasnet_cifar_tiny"]
    words += ["--output", tmp_path / "new.keras", "--moving-average", "yes"]
    assert main(list(map(str, words))) == 2
    said = f"`{prefix}` holds no moving averages"
    assert said in capsys.readouterr().err
    assert not (tmp_path / "new.keras").exists()


def test_averages_of_a_file_without_any(trained, tmp_path):
    path = saved(trained, tmp_path / "m.weights.h5")
    with pytest.raises(ValueError, match="no TF-slim checkpoint and holds no"):
        load_weights(trained, path, moving_average=True)


# Other things -----------------------------------------------------------------


def write_zip(path, member):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, b"content")


def safetensors(path):
    header = json.dumps({"a": {"dtype": "F32"}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header)


OTHERS = {
    "empty.keras": (b"", "an empty file.*again"),
    "page.h5": (b"<!DOCTYPE html><html>Sign in", "a web page.*address"),
    "page.keras": (b"\n <html><body>404", "a web page"),
    "lfs.weights.h5": (b"version https://git-lfs.github.com", "git lfs pull"),
    "w.tar.gz": (b"\x1f\x8b\x08\x00", "a compressed archive.*Unpack it"),
    "old.pth": (b"\x80\x02\x8a\nl\xfc", "a PyTorch or pickle file.*of Keras"),
    "w.npy": (b"\x93NUMPY\x01\x00", "a NumPy file"),
    "m.onnx": (b"\x08\x08\x12\x07pytorch", "an exported ONNX model.*exported"),
    "m.tflite": (b"\x1c\x00\x00\x00TFL3", "an exported LiteRT model"),
    "m.xml": (b'<?xml version="1.0"?>\n<net name="a">', "OpenVINO model"),
    "half.keras": (b"PK\x03\x04", "a damaged zip archive"),
    "notes.txt": (b"learning rate 0.1", "a file of an unknown kind"),
    "new.pth": (lambda p: write_zip(p, "a/data.pkl"), "PyTorch or pickle"),
    "w.npz": (lambda p: write_zip(p, "a.npy"), "a NumPy file"),
    "a.zip": (lambda p: write_zip(p, "a.txt"), "without model.weights.h5"),
    "w.safetensors": (safetensors, "a safetensors file.*TF-slim"),
}


def damaged_zip(path):
    write_zip(path, "model.weights.h5")
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02")] ^= 1  # Of its directory.
    path.write_bytes(content)


OTHERS["cut.keras"] = (damaged_zip, "a damaged zip archive.*copy it again")


def test_a_flipped_byte_of_the_weights(trained, tmp_path):
    """The checksum of the archive shows it; nothing is loaded."""
    path = saved(trained, tmp_path / "m.keras")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"m\.keras` cannot be read .* again"):
        load_weights(ours(auxiliary_head=True), path)


@pytest.mark.parametrize("name", OTHERS)
def test_what_else_a_path_holds_is_named(name, trained, tmp_path):
    content, message = OTHERS[name]
    path = tmp_path / name
    content(path) if callable(content) else path.write_bytes(content)
    before = trained.get_weights()
    with pytest.raises(ValueError, match=f"(?s)`.*{name}` is .*{message}"):
        load_weights(trained, path)
    for now, then in zip(trained.get_weights(), before):
        np.testing.assert_array_equal(now, then)


def test_folders_are_named(trained, tmp_path):
    with pytest.raises(ValueError, match="is a folder without weights"):
        load_weights(trained, tmp_path)
    (tmp_path / "saved_model.pb").write_bytes(b"")
    with pytest.raises(ValueError, match="exported TensorFlow SavedModel"):
        load_weights(trained, tmp_path)
    with pytest.raises(ValueError, match="`weights` must be None, the path"):
        load_weights(trained, tmp_path / "none.keras")


def test_an_unpacked_model_names_its_weights(trained, tmp_path):
    saved(trained, tmp_path / "model.weights.h5")
    with pytest.raises(ValueError, match=r"Name a file in it: .*weights\.h5"):
        load_weights(trained, tmp_path)
