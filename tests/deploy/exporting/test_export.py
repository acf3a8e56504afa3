"""`export`: each format runs in its own runtime, with Keras' outputs."""

import json

import keras
import numpy as np
import pytest

from nasnet_keras.deploy import export
from nasnet_keras.deploy.exporting.compare import ExportError
from nasnet_keras.deploy.exporting.formats import FORMATS as ALL_FORMATS
from nasnet_keras.deploy.exporting.runtimes import open_file
from nasnet_keras.layers.walk import all_layers
from nasnet_keras.model_files import save_model
from nasnet_keras.model_files.precision import in_single_precision
from tests.deploy.exporting.common import FILES, FORMATS, colours, network
from tests.support.policies import with_policy
from tests.support.sources import relative_error

# The converters warn of their own old code.
pytestmark = pytest.mark.filterwarnings("ignore")


def nested():
    inputs = keras.Input((24, 24, 3))
    body = network(include_top=False, pooling="avg", drop_path_rate=0.2)
    outputs = keras.layers.Dense(3)(body(inputs))
    return keras.Model(inputs, outputs)


def arrays(outputs):
    """Outputs as a list, in their order."""
    outputs = keras.tree.flatten(outputs)
    return [keras.ops.convert_to_numpy(x) for x in outputs]


def export_and_compare(model, format, folder, side=24):
    save_model(model, folder / "m.keras", {"class_names": ["a", "b", "c"]})
    target = folder / "new" / FILES[format]
    export(folder / "m.keras", target, format)
    names = target.with_name(target.name + ".classes.json")
    assert json.loads(names.read_text()) == ["a", "b", "c"]
    report = target.with_name(target.name + ".report.json")
    expected = {target.name, names.name, report.name}
    expected |= {"m.bin"} if format == "openvino" else set()
    assert {x.name for x in target.parent.iterdir()} == expected
    images = colours(2, side)
    found = arrays(open_file(target, format)(images))
    single = arrays(in_single_precision(model)(images))
    for ours, theirs in zip(single, found, strict=True):
        np.testing.assert_allclose(theirs, ours, rtol=1e-4, atol=1e-4)
    assert 0 < json.loads(report.read_text())["largest_difference"] < 1e-4
    assert any(np.ptp(x, axis=0).max() > 0.01 for x in found)
    return images, found


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


LOWER = [
    pytest.param(
        *(format, precision),
        marks=pytest.mark.long if precision == "float16" else (),
    )
    for format in FORMATS
    for precision in ALL_FORMATS[format].precisions[1:]
]


@pytest.mark.parametrize("format, precision", LOWER)
def test_lower_precision(format, precision, tmp_path):
    """The outputs are those of the model, but for rounding."""
    model = network(filters=8)
    images = colours(40)
    target = tmp_path / FILES[format]
    report = export(model, target, format, precision, calibration=images)
    assert report == json.loads(
        (tmp_path / f"{target.name}.report.json").read_text()
    )
    (found,) = open_file(target, format)(images)
    expected = keras.ops.convert_to_numpy(model(images))
    error = relative_error(found, expected)
    most = {"float16": 0.02, "bfloat16": 0.1, "int8": 0.3}
    assert 1e-5 < error < most[precision]
    assert abs(report["largest_difference"] - error) < 1e-2


def test_a_folder_of_images_calibrates(tmp_path, shared_data):
    flowers = shared_data("flowers")
    save_model(
        network(classes=2), tmp_path / "m.keras", {"class_names": ["a", "b"]}
    )
    report = export(
        *(tmp_path / "m.keras", tmp_path / "m.onnx", "onnx", "int8"),
        calibration=flowers,
    )
    assert report["images"] == 64


def test_a_file_that_computes_something_else(tmp_path, monkeypatch):
    """It is refused, and nothing is left of it."""
    model = network()
    monkeypatch.setattr(
        "nasnet_keras.deploy.exporting.export.fuse",
        lambda model, multiple: network(filters=3),
    )
    with pytest.raises(ExportError, match=r"differ by .* Nothing was written"):
        export(model, tmp_path / "new" / "m.onnx", "onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("given", [0.0, float("nan")])
def test_a_model_without_outputs_to_compare(given, tmp_path, monkeypatch):
    """Of zeros any other output differs; NaN is never close to anything."""
    run = "nasnet_keras.deploy.exporting.compare.open_file"
    monkeypatch.setattr(run, lambda *_: lambda x: [np.ones((len(x), 3))])
    inputs = keras.Input((8, 8, 3))
    zeros = keras.layers.GlobalAveragePooling2D()(inputs) * given
    model = keras.Model(inputs, zeros)
    with pytest.raises(ExportError, match="does not compute"):
        export(model, tmp_path / "m", fused=False)
    assert list(tmp_path.iterdir()) == []


def pixels_as_bytes():
    inputs = keras.Input((24, 24, 3), dtype="uint8")
    x = keras.layers.Rescaling(1 / 127.5, -1)(inputs)
    return keras.Model(inputs, network(include_preprocessing=False)(x))


@pytest.mark.parametrize("format", FORMATS)
def test_a_model_that_takes_bytes(format, tmp_path):
    report = export(pixels_as_bytes(), tmp_path / FILES[format], format)
    assert report["largest_difference"] < 1e-4


def test_not_fused(tmp_path):
    report = export(network(), tmp_path / "m.onnx", "onnx", fused=False)
    assert report["largest_difference"] < 1e-4 and not report["fused"]


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"precision": "int8"}, "`precision` must be one of float32, bfloat16"),
        (
            {"format": "onnx", "precision": "int8"},
            "`calibration` is missing: int8 needs",
        ),
        ({"format": "torch"}, "`format` must be one of"),
        ({}, "`path` must be a folder .* are of the format 'onnx'"),
        ({"format": "onnx", "fused": "no"}, "`fused` must be True or False"),
    ],
)
def test_arguments_that_do_not_fit(arguments, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        export("none.keras", tmp_path / "m.onnx", **arguments)


def test_images_of_another_shape(tmp_path):
    with pytest.raises(ValueError, match=r"Received: calibration of shape \(4"):
        export(network(), tmp_path / "m", calibration=colours(4, 20))


@pytest.mark.parametrize("name", ["exported", "exported.classes.json"])
def test_nothing_is_overwritten(name, tmp_path):
    (tmp_path / name).write_text("precious")
    with pytest.raises(ValueError, match=rf"{name} exists\. Nothing"):
        export("none.keras", tmp_path / "exported")
    assert (tmp_path / name).read_text() == "precious"


def test_openvinos_second_file_is_not_overwritten(tmp_path):
    (tmp_path / "m.bin").write_text("precious")
    with pytest.raises(ValueError, match=r"m\.bin exists\. Nothing"):
        export("none.keras", tmp_path / "m.xml", "openvino")
    assert (tmp_path / "m.bin").read_text() == "precious"


@pytest.mark.parametrize("format", ["openvino", "litert"])
def test_the_ending_that_a_format_needs(format, tmp_path):
    with pytest.raises(ValueError, match=r"must end in \.\w+ for the format"):
        export("none.keras", tmp_path / "m.onnx", format)


def test_a_saved_model_has_constants(tmp_path):
    """Not variables, with the names and the layout that Keras gives it."""
    tf = pytest.importorskip("tensorflow")
    model = network()
    model.export(str(tmp_path / "plain"), verbose=False)
    export(model, tmp_path / "frozen")
    plain, frozen = (
        tf.saved_model.load(tmp_path / name) for name in ("plain", "frozen")
    )
    assert plain.serve.concrete_functions[0].variables
    assert not frozen.serve.concrete_functions[0].variables
    for name in ("serve", "serving_default"):
        ours, theirs = frozen.signatures[name], plain.signatures[name]
        assert [*ours.structured_outputs] == [*theirs.structured_outputs]
        specs = [
            [spec.shape for spec in x.structured_input_signature[1].values()]
            for x in (ours, theirs)
        ]
        assert specs[0] == specs[1]
    layer = keras.layers.TFSMLayer(
        tmp_path / "frozen", call_endpoint="serving_default"
    )
    images = np.random.default_rng(0).uniform(0, 255, (2, 24, 24, 3))
    images = images.astype("float32")
    (found,) = layer(images).values()
    assert relative_error(found, model(images)) < 1e-4


def test_a_missing_package_is_named_with_the_extra(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    message = (
        r"also needs tf2onnx, onnx, onnxruntime: "
        r"pip install 'nasnet-keras\[export\]'"
    )
    with pytest.raises(ImportError, match=message):
        export("none.keras", tmp_path / "m.onnx", "onnx")


def test_a_failed_export_leaves_nothing(tmp_path, monkeypatch):
    save_model(network(), tmp_path / "m.keras", {"class_names": ["a"] * 3})

    def full(*args, **kwargs):
        raise OSError("No space left on device")

    monkeypatch.setattr(keras.Model, "export", full)
    for format in ("tf_saved_model", "litert"):
        target = tmp_path / "a" / "b" / FILES[format]
        with pytest.raises(OSError, match="No space"):
            export(tmp_path / "m.keras", target, format)
        assert [x.name for x in tmp_path.iterdir()] == ["m.keras"]
