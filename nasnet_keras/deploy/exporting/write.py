"""Writes a Keras model in a format, through the maintained exporters."""

import os
import pathlib
import tempfile
from typing import Any

import keras
import numpy as np

from nasnet_keras.deploy.exporting.calibration import SIDE
from nasnet_keras.deploy.exporting.litert import order_outputs
from nasnet_keras.deploy.exporting.names import shorten_litert, shorten_onnx
from nasnet_keras.deploy.exporting.openvino import keep_outputs
from nasnet_keras.deploy.exporting.saved_model import freeze
from nasnet_keras.model_files.graph import input_tensors


def write_file(
    model: keras.Model,
    path: pathlib.Path,
    format: str,
    precision: str,
    images: np.ndarray | None,
) -> None:
    """Writes a model.

    Args:
        model: `keras.Model` in single precision, or for `"bfloat16"` with
            layers of that.
        path: Path of the file or folder.
        format: A key of `FORMATS`.
        precision: One of the format's.
        images: Array of images to calibrate int8 with.
    """
    _call_once(model)
    _WRITERS[format](model, path, precision, images)


def _call_once(model: keras.Model) -> None:
    """Keras exports no model that has not been called since it was loaded."""

    def zeros(tensor: Any) -> Any:
        shape = [1, *(side or SIDE for side in tensor.shape[1:])]
        return keras.ops.zeros(shape, tensor.dtype)

    inputs = keras.tree.map_structure(zeros, input_tensors(model))
    model(inputs, training=False)


def _batches(images):
    """Images one by one, as quantizers read them."""
    for number in range(len(images)):
        yield images[number : number + 1]


def _saved_model(model, path, precision, images):
    model.export(str(path), format="tf_saved_model", verbose=False)
    freeze(path)


def _onnx(model, path, precision, images):
    model.export(str(path), format="onnx", verbose=False)
    if precision == "float16":
        import onnx
        from onnxruntime.transformers.float16 import convert_float_to_float16

        halved = convert_float_to_float16(onnx.load(path), keep_io_types=True)
        onnx.save(halved, path)
    if precision == "int8":
        _quantize_onnx(path, images)
    shorten_onnx(path)


def _quantize_onnx(path, images):
    import onnxruntime
    from onnxruntime import quantization

    (entry,) = onnxruntime.InferenceSession(path).get_inputs()

    class Reader(quantization.CalibrationDataReader):
        batches = _batches(images)

        def get_next(self):
            batch = next(self.batches, None)
            return None if batch is None else {entry.name: batch}

    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        target = pathlib.Path(folder, path.name)
        quantization.quantize_static(
            path,
            target,
            Reader(),
            quant_format=quantization.QuantFormat.QDQ,
            per_channel=True,
        )
        os.replace(target, path)


def _openvino(model, path, precision, images):
    model.export(str(path), format="openvino", verbose=False)
    keep_outputs(path)
    if precision == "float32":
        return
    import openvino

    # A copy: a file cannot be replaced while it is read.
    graph = openvino.Core().read_model(path).clone()
    if precision == "int8":
        import nncf

        dataset = nncf.Dataset(list(_batches(images)))
        graph = nncf.quantize(graph, dataset, subset_size=len(images))
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        target = pathlib.Path(folder, path.name)
        half = precision == "float16"
        openvino.save_model(graph, target, compress_to_fp16=half)
        del graph
        for file in (target, target.with_suffix(".bin")):
            os.replace(file, path.with_name(file.name))


def _litert(model, path, precision, images):
    import tensorflow as tf

    settings: dict[str, Any] = {}
    if precision != "float32":
        settings["optimizations"] = [tf.lite.Optimize.DEFAULT]
    if precision == "float16":
        settings["target_spec"] = {"supported_types": [tf.float16]}
    if precision == "int8":
        settings["representative_dataset"] = lambda: (
            [batch] for batch in _batches(images)
        )
    model.export(str(path), format="litert", verbose=False, **settings)
    order_outputs(path)
    shorten_litert(path)


def _coreml(model, path, precision, images):
    import coremltools
    import tensorflow as tf

    (tensor,) = model.inputs
    if None in tensor.shape[1:]:
        raise ValueError(
            "`model` must take images of one size to become a Core ML file. "
            f"Received: a model that takes {tensor.shape}"
        )
    shape = (1, *tensor.shape[1:])
    function = tf.function(lambda x: model(x, training=False))
    concrete = function.get_concrete_function(
        tf.TensorSpec(shape, tensor.dtype)
    )
    precisions = {
        "float32": coremltools.precision.FLOAT32,
        "float16": coremltools.precision.FLOAT16,
    }
    coremltools.convert(
        [concrete],
        source="tensorflow",
        convert_to="mlprogram",
        compute_precision=precisions[precision],
    ).save(str(path))


_WRITERS = {
    "tf_saved_model": _saved_model,
    "onnx": _onnx,
    "openvino": _openvino,
    "litert": _litert,
    "coreml": _coreml,
}
