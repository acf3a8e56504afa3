"""Weights of every kind load completely or not at all; errors name all."""

import logging
import os
import shutil
import subprocess
import sys

import h5py
import keras
import numpy as np
import pytest

import nasnet_keras
from nasnet_keras.presets.registry import PNASNET
from nasnet_keras.weights import WeightsError, adapt_kernel, load_weights
from tests.support.keras_internals import legacy_h5_format
from tests.support.sources import (
    perturb_batch_norm,
    relative_error,
    small_keras_nasnet,
    write_legacy_h5,
)

SHAPE = (32, 32, 3)


def theirs(include_top=True):
    """A small NASNet of keras.applications with other weights than ours."""
    model = small_keras_nasnet(seed=1, classes=5, include_top=include_top)
    perturb_batch_norm(model)
    return model


def ours(**arguments):
    defaults = {"weights": None, "classes": 5, "input_shape": SHAPE}
    defaults["pooling_semantics"] = "keras"
    return nasnet_keras.from_preset("nasnet_tiny", **{**defaults, **arguments})


@pytest.fixture(scope="module")
def source():
    return theirs()


@pytest.fixture(scope="module")
def h5(source, tmp_path_factory):
    path = tmp_path_factory.mktemp("h5") / "theirs.h5"
    write_legacy_h5(source, path)
    return path


@pytest.fixture(scope="module")
def model():
    """A network; each test sets its weights."""
    return ours()


def images(count=2, shape=SHAPE):
    rng = np.random.default_rng(0)
    return rng.uniform(-1, 1, (count, *shape)).astype("float32")


def kept(model):
    """Weights that a failed load must not change."""
    rng = np.random.default_rng(3)
    model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
    return model.get_weights()


def assert_kept(model, before):
    for now, then in zip(model.get_weights(), before):
        np.testing.assert_array_equal(now, then)


# keras.applications -----------------------------------------------------------


def test_legacy_h5(source, h5, model):
    loaded = nasnet_keras.load_keras_applications(model, h5)
    assert loaded.variables == len(model.weights) == len(source.weights)
    assert loaded.fresh == ()
    assert relative_error(model(images()), source(images())) < 1e-5


def test_whole_model_saved_as_h5(source, model, tmp_path):
    """`model.save("x.h5")` writes the weights one group deeper."""
    path = tmp_path / "whole.h5"
    legacy_h5_format.save_model_to_hdf5(source, path)
    kept(model)
    load_weights(model, path)
    assert relative_error(model(images()), source(images())) < 1e-5


def test_names_as_keras_2_wrote_them(source, h5, model, tmp_path):
    """Keras 2 names a variable "layer/kernel:0"."""
    path = tmp_path / "keras2.h5"
    with h5py.File(h5) as old, h5py.File(path, "w") as new:
        for key, value in old.attrs.items():
            new.attrs[key] = value
        for layer in old.attrs["layer_names"]:
            group, names = new.create_group(layer), []
            for name in old[layer].attrs["weight_names"]:
                value = old[layer][name][()]
                name = f"{layer}/{name.split('/')[-1]}:0"
                group.create_dataset(name, data=value)
                names.append(name.encode())
            group.attrs["weight_names"] = names
    kept(model)
    load_weights(model, path)
    assert relative_error(model(images()), source(images())) < 1e-5


def test_file_without_top(source, tmp_path):
    path = tmp_path / "no-top.h5"
    body = keras.Model(source.input, source.layers[-3].output)
    write_legacy_h5(body, path)
    features = ours(include_top=False)
    nasnet_keras.load_keras_applications(features, path)
    assert relative_error(features(images()), body(images())) < 1e-5


def test_file_with_top_for_a_network_without(source, h5):
    features = ours(include_top=False)
    nasnet_keras.load_keras_applications(features, h5)
    body = keras.Model(source.input, source.layers[-3].output)
    assert relative_error(features(images()), body(images())) < 1e-5


def test_file_without_top_for_a_network_with_it(source, model, tmp_path):
    path = tmp_path / "no-top.h5"
    write_legacy_h5(keras.Model(source.input, source.layers[-3].output), path)
    before = kept(model)
    with pytest.raises(WeightsError, match="2 missing: predictions/bias, pre"):
        nasnet_keras.load_keras_applications(model, path)
    assert_kept(model, before)


def edit(h5, tmp_path, change):
    path = tmp_path / "edited.h5"
    shutil.copy(h5, path)
    with h5py.File(path, "a") as file:
        change(file)
    return path


def remove_stem_bn(file):
    names = list(file.attrs["layer_names"])
    names.remove("stem_bn1")
    file.attrs["layer_names"] = names


def add_layer(file):
    file.attrs["layer_names"] = [*file.attrs["layer_names"], "surprise"]
    group = file.create_group("surprise")
    group.create_dataset("kernel", data=np.zeros(3))
    group.attrs["weight_names"] = ["kernel"]


def misshape(file):
    group = file["stem_conv1"]
    (name,) = group.attrs["weight_names"]
    value = group[name][()]
    del group[name]
    group.create_dataset(name, data=value[:2])


@pytest.mark.parametrize(
    "change, message",
    [
        (remove_stem_bn, "4 missing: stem_bn1/beta, stem_bn1/gamma"),
        (add_layer, "1 extra: surprise/kernel"),
        (misshape, r"1 misshapen: stem_conv1/kernel \(2, 3, 3, 32\) for \(3"),
    ],
)
def test_accounts(h5, model, tmp_path, change, message):
    path = edit(h5, tmp_path, change)
    before = kept(model)
    with pytest.raises(WeightsError, match=message) as error:
        nasnet_keras.load_keras_applications(model, path)
    assert str(path) in str(error.value)
    assert "Nothing was loaded" in str(error.value)
    assert_kept(model, before)


def test_the_error_carries_the_whole_lists(h5, tmp_path):
    other = ours(filters=12)
    with pytest.raises(WeightsError, match=r"misshapen: .*, \.\.\.") as error:
        nasnet_keras.load_keras_applications(other, h5)
    assert f"{len(error.value.misshapen)} misshapen" in str(error.value)
    assert len(error.value.misshapen) > 100


@pytest.mark.parametrize("macro", ["enas", "nasnet"])
def test_variables_that_such_files_do_not_know(h5, macro):
    """A second projection (ENAS); a layer that the user added."""
    model = ours(include_top=False, pooling="avg", macro=macro)
    expected = r"\d+ missing: .*cell_"
    if macro == "nasnet":
        outputs = keras.layers.Dense(3, name="mine")(model.output)
        model = keras.Model(model.input, outputs)
        expected = "2 missing: mine/bias, mine/kernel"
    before = kept(model)
    with pytest.raises(WeightsError, match=expected):
        nasnet_keras.load_keras_applications(model, h5)
    assert_kept(model, before)


def test_other_cells_are_refused(h5):
    other = nasnet_keras.from_preset("pnasnet_tiny", weights=None)
    with pytest.raises(ValueError, match="have NASNet-A's cells"):
        nasnet_keras.load_keras_applications(other, h5)


def test_damaged_file(h5, model, tmp_path):
    path = tmp_path / "short.h5"
    path.write_bytes(h5.read_bytes()[:50_000])
    before = kept(model)
    with pytest.raises(ValueError, match=r"short\.h5` cannot be read.*cut"):
        load_weights(model, path)
    assert_kept(model, before)


def test_another_h5_file(model, tmp_path):
    path = tmp_path / "table.h5"
    with h5py.File(path, "w") as file:
        file["numbers"] = np.arange(3)
    with pytest.raises(ValueError, match="names no layers"):
        nasnet_keras.load_keras_applications(model, path)


# Other channels ---------------------------------------------------------------


def test_one_channel_sees_grey_images_as_rgb():
    """The sum over the kernel's channels: the same outputs, exactly."""
    rng = np.random.default_rng(0)
    kernel = rng.normal(size=(3, 3, 3, 8)).astype("float32")
    grey = rng.normal(size=(2, 9, 9, 1)).astype("float32")
    adapted = adapt_kernel(kernel, 1)
    assert adapted.shape == (3, 3, 1, 8)
    one = keras.ops.conv(grey, adapted, padding="valid")
    three = keras.ops.conv(np.repeat(grey, 3, -1), kernel, padding="valid")
    assert relative_error(one, three) < 1e-5


@pytest.mark.parametrize("channels", [2, 4, 6, 7])
def test_more_channels_repeat_the_three(channels):
    rng = np.random.default_rng(0)
    kernel = rng.normal(size=(3, 3, 3, 8))
    adapted = adapt_kernel(kernel, channels)
    assert adapted.shape == (3, 3, channels, 8)
    for channel in range(channels):
        expected = kernel[:, :, channel % 3] * 3 / channels
        np.testing.assert_allclose(adapted[:, :, channel], expected)


def test_the_stem_is_adapted_on_request(h5, caplog):
    grey = ours(input_shape=(32, 32, 1))
    with pytest.raises(WeightsError, match="1 misshapen: stem_conv1/kernel"):
        nasnet_keras.load_keras_applications(grey, h5)
    nasnet_keras.load_keras_applications(grey, h5, adapt=True)
    assert "adapted from 3 channels to 1" in caplog.text
    rgb = ours()
    nasnet_keras.load_keras_applications(rgb, h5)
    x = images(shape=(32, 32, 1))
    assert relative_error(grey(x), rgb(np.repeat(x, 3, -1))) < 1e-5


# TF-slim ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def checkpoint(shared_data):
    """Of an ImageNet network: with background class, averages, both heads."""
    pytest.importorskip("tensorflow")
    index = shared_data("tf_slim_reference", "nasnet_mobile_tiny")
    return index / "model.ckpt"


def slim_model(**arguments):
    defaults = {"cells_per_stack": 4, "classes": 10, "input_shape": None}
    return nasnet_keras.NASNet(filters=8, **{**defaults, **arguments})


@pytest.fixture(scope="module")
def slim():
    pytest.importorskip("tensorflow")  # For the checkpoints.
    return slim_model()


def test_what_was_taken_is_returned_and_logged(checkpoint, slim, caplog):
    caplog.set_level(logging.INFO, "nasnet_keras")
    loaded = nasnet_keras.load_tf_slim(slim, checkpoint)
    trainable, total = len(slim.trainable_weights), len(slim.weights)
    assert (loaded.variables, loaded.averages) == (total, trainable)
    said = f"{trainable} moving averages and {total - trainable} raw variables"
    assert said in caplog.text
    averages = slim.get_weights()
    index = f"{checkpoint}.index"  # By the name of a file, too.
    assert load_weights(slim, index, moving_average=False).averages == 0
    raw = slim.get_weights()
    assert nasnet_keras.load_tf_slim(slim, checkpoint, True) == loaded
    for a, b in zip(averages, slim.get_weights()):
        np.testing.assert_array_equal(a, b)
    differ = sum((a != b).any() for a, b in zip(averages, raw))
    assert differ == trainable


def test_demanded_averages_that_are_not_there(shared_data, slim):
    folder = shared_data("tf_slim_reference", "nasnet_large_tiny")
    before = kept(slim)
    with pytest.raises(ValueError, match="holds no moving averages"):
        nasnet_keras.load_tf_slim(slim, folder / "model.ckpt", True)
    assert_kept(slim, before)


@pytest.mark.parametrize("value", ["ema", 0, 1, None])
def test_moving_average_error(checkpoint, slim, value):
    with pytest.raises(ValueError, match=f"moving_average={value!r}"):
        nasnet_keras.load_tf_slim(slim, checkpoint, value)


def test_checkpoint_without_top(checkpoint, slim):
    nasnet_keras.load_tf_slim(slim, checkpoint)
    features = slim_model(include_top=False, pooling="avg")
    loaded = nasnet_keras.load_tf_slim(features, checkpoint)
    assert loaded.variables == len(features.weights)
    for a, b in zip(features.get_weights(), slim.get_weights()):
        np.testing.assert_array_equal(a, b)


def test_checkpoint_of_other_classes(checkpoint):
    model = slim_model(classes=4)
    before = kept(model)
    with pytest.raises(
        WeightsError, match=r"2 misshapen: final_layer/FC/weights \(192, 11\)"
    ):
        nasnet_keras.load_tf_slim(model, checkpoint)
    assert_kept(model, before)
    loaded = nasnet_keras.load_tf_slim(model, checkpoint, classifier=False)
    assert loaded.fresh == ("predictions",)
    for new, old in zip(model.get_weights()[-2:], before[-2:]):
        np.testing.assert_array_equal(new, old)


def test_no_background_without_imagenet(shared_data):
    """For CIFAR no class is dropped: one more is an error."""
    pytest.importorskip("tensorflow")
    folder = shared_data("tf_slim_reference", "nasnet_cifar_tiny")
    model = nasnet_keras.NASNet(
        cells_per_stack=2, filters=8, stem="cifar", classes=9
    )
    with pytest.raises(WeightsError, match=r"FC/biases \(10,\) for \(9,\)"):
        nasnet_keras.load_tf_slim(model, folder / "model.ckpt")


def test_checkpoint_of_another_network(shared_data, slim):
    folder = shared_data("tf_slim_reference", "pnasnet_mobile_tiny")
    before = kept(slim)
    with pytest.raises(WeightsError, match=r"missing: cell_0/.*\n.* extra: "):
        nasnet_keras.load_tf_slim(slim, folder / "model.ckpt")
    assert_kept(slim, before)


def rewrite(checkpoint, folder, change):
    """A real checkpoint with other names or more variables."""
    import tensorflow as tf

    reader = tf.train.load_checkpoint(str(checkpoint))
    values = {
        name: reader.get_tensor(name)
        for name in reader.get_variable_to_shape_map()
    }
    values = change(values)
    names = sorted(values)
    prefix = str(folder / "model.ckpt")
    tf.raw_ops.SaveV2(
        prefix=prefix,
        tensor_names=names,
        shape_and_slices=[""] * len(names),
        tensors=[tf.constant(values[name]) for name in names],
    )
    return prefix


def respelled(values):
    return {
        n.replace("/FC/", "/fully_connected/"): v for n, v in values.items()
    }


def with_training_state(values):
    slots = {f"{n}/RMSProp": v for n, v in values.items() if "1x1" in n}
    steps = {"train/global_step": np.int64(3), "global_step": np.int64(3)}
    return {**values, **slots, **steps}


@pytest.mark.parametrize("change", [respelled, with_training_state])
def test_tolerated_names(shared_data, tmp_path, change):
    pytest.importorskip("tensorflow")
    folder = shared_data("tf_slim_reference", "pnasnet_mobile_tiny")
    model = nasnet_keras.NASNet(
        cells_per_stack=3,
        filters=8,
        classes=10,
        auxiliary_head=True,
        input_shape=(96, 96, 3),
        **PNASNET,
    )
    nasnet_keras.load_tf_slim(model, folder / "model.ckpt")
    expected = model.get_weights()
    kept(model)
    prefix = rewrite(folder / "model.ckpt", tmp_path, change)
    nasnet_keras.load_tf_slim(model, prefix)
    for a, b in zip(model.get_weights(), expected):
        np.testing.assert_array_equal(a, b)


def test_stray_variable_of_the_network_is_extra(checkpoint, slim, tmp_path):
    prefix = rewrite(
        checkpoint, tmp_path, lambda v: {**v, "cell_0/more": np.zeros(2)}
    )
    with pytest.raises(WeightsError, match="1 extra: cell_0/more"):
        nasnet_keras.load_tf_slim(slim, prefix)


def test_stray_average_is_extra(checkpoint, slim, tmp_path):
    average = "cell_0/more/ExponentialMovingAverage"
    prefix = rewrite(
        checkpoint, tmp_path, lambda v: {**v, average: np.zeros(2)}
    )
    with pytest.raises(WeightsError, match="1 extra: cell_0/more"):
        nasnet_keras.load_tf_slim(slim, prefix)
    nasnet_keras.load_tf_slim(slim, prefix, moving_average=False)


def test_a_network_of_another_kind(checkpoint):
    darts = nasnet_keras.from_preset("darts_imagenet_tiny", weights=None)
    with pytest.raises(ValueError, match="hold NASNets and PNASNets"):
        nasnet_keras.load_tf_slim(darts, checkpoint)


def test_no_such_checkpoint(slim, tmp_path):
    with pytest.raises(ValueError, match="cannot be read as a checkpoint"):
        nasnet_keras.load_tf_slim(slim, tmp_path / "model.ckpt")


def test_damaged_checkpoint(checkpoint, slim, tmp_path):
    for path in checkpoint.parent.glob("model.ckpt*"):
        shutil.copy(path, tmp_path)
    (data,) = tmp_path.glob("*.data-*")
    data.write_bytes(data.read_bytes()[:1000])
    before = kept(slim)
    with pytest.raises(ValueError, match="cannot be read"):
        nasnet_keras.load_tf_slim(slim, tmp_path / "model.ckpt")
    assert_kept(slim, before)


def test_without_tensorflow_the_error_names_the_way(checkpoint):
    pytest.importorskip("torch")
    script = (
        "import sys; sys.modules['tensorflow'] = None\n"
        "import nasnet_keras\n"
        "m = nasnet_keras.from_preset('nasnet_tiny', weights=None)\n"
        f"nasnet_keras.load_tf_slim(m, {str(checkpoint)!r})"
    )
    process = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "KERAS_BACKEND": "torch"},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 1
    assert "ImportError: TF-slim checkpoints are read by TensorFlow" in (
        process.stderr
    )
    assert f"nasnet convert {checkpoint} --preset" in process.stderr


# `weights=PATH` ---------------------------------------------------------------


@pytest.mark.long
def test_weights_takes_every_kind_of_path(h5, checkpoint, slim, tmp_path):
    expected = ours(weights=h5)
    path = tmp_path / "own.weights.h5"
    expected.save_weights(path)
    archive = tmp_path / "own.keras"
    expected.save(archive)
    for source in (str(h5), path, str(archive)):
        model = ours(weights=source)
        for a, b in zip(model.get_weights(), expected.get_weights()):
            np.testing.assert_array_equal(a, b)
    # A prefix, or one of its files, as a shell completes it.
    by_path = slim_model(weights=f"{checkpoint}.index")
    nasnet_keras.load_tf_slim(slim, checkpoint)
    for a, b in zip(by_path.get_weights(), slim.get_weights()):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "suffix, other, message",
    [
        (
            ".keras",
            {"classes": 7},
            r"2 misshapen: predictions/vars/0 \(192, 7\) for \(192, 5\)",
        ),
        (
            ".weights.h5",
            {"include_top": False, "pooling": "avg"},
            "2 missing: predictions/vars/0, predictions/vars/1",
        ),
        (".keras", {"filters": 9}, r"\d\d\d misshapen: .*, \.\.\."),
        (".weights.h5", {"cells_per_stack": 2}, r"extra: .*cell_3/"),
    ],
)
def test_own_file_of_another_network(model, tmp_path, suffix, other, message):
    path = tmp_path / f"other{suffix}"
    network = ours(**other)
    network.save(path) if suffix == ".keras" else network.save_weights(path)
    before = kept(model)
    with pytest.raises(WeightsError, match=message):
        load_weights(model, path)
    assert_kept(model, before)


def test_heads_that_the_network_lacks_are_passed_over(model, tmp_path):
    """Trained with classifier and auxiliary head, used without."""
    shape = (80, 80, 3)
    trained = ours(auxiliary_head=True, input_shape=shape)
    path = tmp_path / "trained.weights.h5"
    trained.save_weights(path)
    load_weights(model, path)
    features = ours(include_top=False, pooling="avg", weights=path)
    for network in (model, features):
        for layer in (x for x in network.layers if x.weights):
            expected = trained.get_layer(layer.name).get_weights()
            for a, b in zip(layer.get_weights(), expected, strict=True):
                np.testing.assert_array_equal(a, b)


def test_damaged_own_file(model, tmp_path):
    path = tmp_path / "own.weights.h5"
    model.save_weights(path)
    path.write_bytes(path.read_bytes()[:30_000])
    before = kept(model)
    with pytest.raises(ValueError, match="cannot be read as an h5 file"):
        load_weights(model, path)
    assert_kept(model, before)


def test_trained_model_as_weights(model, tmp_path):
    """The optimizer's variables in the archive are ignored."""
    trained = ours()
    trained.compile("adam", "sparse_categorical_crossentropy")
    trained.optimizer.build(trained.trainable_variables)
    trained.save(tmp_path / "trained.keras")
    load_weights(model, tmp_path / "trained.keras")
    for a, b in zip(model.get_weights(), trained.get_weights()):
        np.testing.assert_array_equal(a, b)
