"""Runs an exported file in the program that it was written for."""

import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

Runner = Callable[[Any], list[np.ndarray]]


def open_file(path: str | os.PathLike, format: str) -> Runner:
    """Opens an exported file.

    Args:
        path: Path of the file or folder.
        format: A key of `nasnet_keras.deploy.exporting.formats.FORMATS`.

    Returns:
        Function of a batch of images that returns a list of arrays, in the
        file's own order of outputs. It computes in single precision, as far
        as the file does.

    Raises:
        NotImplementedError: If nothing here runs the format.
    """
    return _OPENERS[format](str(path))


def can_run(format: str) -> bool:
    """Whether a format can be run on this system: Core ML on a Mac alone."""
    return format != "coreml" or sys.platform == "darwin"


def _saved_model(path):
    import tensorflow as tf

    loaded = tf.saved_model.load(path)

    def run(images):
        # Named here, so that `loaded`, which owns the weights, lives as long.
        outputs = tf.nest.flatten(loaded.serve(tf.constant(images)))
        return [x.numpy() for x in outputs]

    return run


def _onnx(path):
    import onnxruntime

    session = onnxruntime.InferenceSession(path)
    (entry,) = session.get_inputs()
    return lambda images: session.run(None, {entry.name: images})


def _openvino(path):
    import openvino

    # Its plugin for CPUs computes in half precision where these can.
    single = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.compile_model(path, "CPU", single)

    def run(images):
        results = compiled(images)
        # The arrays belong to the request, which the next call uses again.
        return [np.array(results[output]) for output in compiled.outputs]

    return run


def _litert(path):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(path, num_threads=os.cpu_count())
    (entry,) = interpreter.get_input_details()
    shapes = []

    def run(images):
        if shapes != [images.shape]:
            interpreter.resize_tensor_input(entry["index"], images.shape)
            interpreter.allocate_tensors()
            shapes[:] = [images.shape]
        interpreter.set_tensor(entry["index"], images)
        interpreter.invoke()
        details = interpreter.get_output_details()
        return [interpreter.get_tensor(each["index"]) for each in details]

    return run


def _coreml(path):
    if not can_run("coreml"):
        raise NotImplementedError(
            "Core ML runs on a Mac alone: copy the file there to run it."
        )
    import coremltools

    model = coremltools.models.MLModel(path)
    (name,) = model.get_spec().description.input

    def run(images):
        # The file is for one image at a time.
        found = [model.predict({name.name: x[None]}) for x in images]
        return [
            np.concatenate([each[key] for each in found]) for key in found[0]
        ]

    return run


_OPENERS = {
    "tf_saved_model": _saved_model,
    "onnx": _onnx,
    "openvino": _openvino,
    "litert": _litert,
    "coreml": _coreml,
}
