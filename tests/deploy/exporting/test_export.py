"""`export_model`: each format runs in its own runtime, with Keras' outputs."""

import json

import keras
import numpy as np
import pytest

import nasnet_keras
from nasnet_keras.deploy.export import export_model
from nasnet_keras.deploy.formats import FORMATS
from nasnet_keras.genotypes import Block, Cell, Genotype
from nasnet_keras.layers.walk import all_layers
from nasnet_keras.model_files import save_model
from nasnet_keras.model_files.precision import in_single_precision
from tests.support.sources import perturb_batch_norm, relative_error

# The converters warn of their own old code.
pytestmark = pytest.mark.filterwarnings("ignore")
EXTRA = "pip install 'nasnet-keras[test]' (packages of the extra `export`)"
FILES = dict(zip(FORMATS, ("folder", "m.onnx", "m.xml", "m.tflite")))
CELL = Cell([Block((0, 1), ("sep_conv_3x3", "avg_pool_3x3"))], (2,), 2)
REDUCTION = Cell([Block((0, 1), ("conv_1x1", "skip_connect"))], (2, 0), 2)


def network(**arguments):
    defaults = {
        "cells_per_stack": 1,
        "filters": 2,
        "stem": "cifar",
        "classes": 3,
        "input_shape": (24, 24, 3),
        "include_preprocessing": "whiten",
        # Probabilities of random networks hardly differ.
        "classifier_activation": None,
    }
    genotype = Genotype(CELL, REDUCTION)
    keras.utils.set_random_seed(0)
    model = nasnet_keras.NASNet(genotype, **{**defaults, **arguments})
    perturb_batch_norm(model)
    return model


def with_policy(policy, make):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        return make()
    finally:
        keras.config.set_dtype_policy(before)


def nested():
    inputs = keras.Input((24, 24, 3))
    body = network(include_top=False, pooling="avg", drop_path_rate=0.2)
    outputs = keras.layers.Dense(3)(body(inputs))
    return keras.Model(inputs, outputs)


def by_tensorflow(path, images):
    tf = pytest.importorskip("tensorflow")
    loaded = tf.saved_model.load(str(path))
    return loaded.serve(images)


def by_onnxruntime(path, images):
    onnxruntime = pytest.importorskip("onnxruntime", reason=EXTRA)
    session = onnxruntime.InferenceSession(str(path))
    return session.run(None, {session.get_inputs()[0].name: images})


def by_openvino(path, images):
    openvino = pytest.importorskip("openvino", reason=EXTRA)
    # Its plugin for CPUs computes in half precision where these can.
    single = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.compile_model(str(path), "CPU", single)
    results = compiled(images)
    return [results[output] for output in compiled.outputs]


def by_litert(path, images):
    litert = pytest.importorskip("ai_edge_litert.interpreter", reason=EXTRA)
    interpreter = litert.Interpreter(str(path))
    (entry,) = interpreter.get_input_details()
    interpreter.resize_tensor_input(entry["index"], images.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(entry["index"], images)
    interpreter.invoke()
    details = interpreter.get_output_details()
    return [interpreter.get_tensor(each["index"]) for each in details]


RUNTIMES = dict(
    zip(FORMATS, (by_tensorflow, by_onnxruntime, by_openvino, by_litert))
)


def arrays(outputs):
    """Outputs in an order that does not depend on the runtime."""
    outputs = keras.tree.flatten(outputs)
    found = [keras.ops.convert_to_numpy(x) for x in outputs]
    return sorted(found, key=lambda x: x.ravel().tolist())


def export_and_compare(model, format, folder, side=24):
    save_model(model, folder / "m.keras", {"class_names": ["a", "b", "c"]})
    target = folder / "new" / FILES[format]
    export_model(folder / "m.keras", target, format)
    names = target.with_name(target.name + ".classes.json")
    assert json.loads(names.read_text()) == ["a", "b", "c"]
    expected = {target.name, names.name, *(["m.bin"] * (format == "openvino"))}
    assert {x.name for x in target.parent.iterdir()} == expected
    rng = np.random.default_rng(0)
    # Squares of one colour, so that the two images differ after pooling, too.
    squares = rng.uniform(0, 255, (2, 4, 4, 3)).astype("float32")
    images = squares.repeat(side // 4, axis=1).repeat(side // 4, axis=2)
    found = arrays(RUNTIMES[format](target, images))
    single = arrays(in_single_precision(model)(images))
    for ours, theirs in zip(single, found, strict=True):
        np.testing.assert_allclose(theirs, ours, rtol=1e-4, atol=1e-4)
    assert any(np.ptp(x, axis=0).max() > 0.01 for x in found)
    return images, found


@pytest.fixture(autouse=True)
def on_tensorflow():
    pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("the formats are exported by TensorFlow")


@pytest.mark.long
@pytest.mark.parametrize("format", FORMATS)
def test_an_auxiliary_head(format, tmp_path):
    model = network(auxiliary_head=True)
    export_and_compare(model, format, tmp_path)


@pytest.mark.parametrize("format", FORMATS)
def test_any_size_in_mixed_precision(format, tmp_path):
    """The runtime gets single precision."""
    model = with_policy(
        "mixed_bfloat16", lambda: network(input_shape=(None, None, 3))
    )
    images, found = export_and_compare(model, format, tmp_path, side=20)
    (mixed,) = arrays(model(images))
    assert relative_error(found[0], mixed) < 0.05


@pytest.mark.long
@pytest.mark.parametrize("format", FORMATS)
def test_a_network_within_a_model(format, tmp_path):
    model = with_policy("mixed_float16", nested)
    export_and_compare(model, format, tmp_path)


def test_a_sequential_around_a_network(tmp_path):
    model = keras.Sequential([network()])
    export_and_compare(model, "onnx", tmp_path)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "float16", "float64"])
def test_single_precision(policy):
    model = with_policy(policy, nested)
    single = in_single_precision(model)
    dtypes = {x.dtype_policy.name for x in all_layers(single) if x.weights}
    assert dtypes == {"float32"}
    for ours, theirs in zip(model.get_weights(), single.get_weights()):
        np.testing.assert_array_equal(ours.astype("float32"), theirs)
    assert in_single_precision(single) is single


@pytest.mark.parametrize("name", ["exported", "exported.classes.json"])
def test_nothing_is_overwritten(name, tmp_path):
    (tmp_path / name).write_text("precious")
    with pytest.raises(ValueError, match=rf"{name} exists\. Nothing"):
        export_model("none.keras", tmp_path / "exported")
    assert (tmp_path / name).read_text() == "precious"


def test_openvinos_second_file_is_not_overwritten(tmp_path):
    (tmp_path / "m.bin").write_text("precious")
    with pytest.raises(ValueError, match=r"m\.bin exists\. Nothing"):
        export_model("none.keras", tmp_path / "m.xml", "openvino")
    assert (tmp_path / "m.bin").read_text() == "precious"


@pytest.mark.parametrize("format", ["openvino", "litert"])
def test_the_ending_that_a_format_needs(format, tmp_path):
    with pytest.raises(ValueError, match=r"must end in \.\w+ for the format"):
        export_model("none.keras", tmp_path / "m.onnx", format)


def test_a_missing_package_is_named_with_the_extra(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    message = r"also needs tf2onnx, onnx: pip install 'nasnet-keras\[export\]'"
    with pytest.raises(ImportError, match=message):
        export_model("none.keras", tmp_path / "m.onnx", "onnx")


def test_a_failed_export_leaves_nothing(tmp_path, monkeypatch):
    save_model(network(), tmp_path / "m.keras", {"class_names": ["a"] * 3})

    def full(*args, **kwargs):
        raise OSError("No space left on device")

    monkeypatch.setattr(keras.Model, "export", full)
    for format in ("tf_saved_model", "litert"):
        target = tmp_path / "a" / "b" / FILES[format]
        with pytest.raises(OSError, match="No space"):
            export_model(tmp_path / "m.keras", target, format)
        assert [x.name for x in tmp_path.iterdir()] == ["m.keras"]
