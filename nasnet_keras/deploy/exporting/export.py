"""Exports a model for other programs: a server, a phone, another framework."""

import contextlib
import os
import pathlib
from collections.abc import Iterator
from typing import Any

import keras

from nasnet_keras.checks import choice
from nasnet_keras.deploy.formats import FORMATS, MODULES, SUFFIXES
from nasnet_keras.deploy.openvino import keep_outputs
from nasnet_keras.model_files import load_model, read_about
from nasnet_keras.model_files.precision import in_single_precision
from nasnet_keras.runs.files import replacing, write_json
from nasnet_keras.runs.optional import require

# Side of the images that a network for any size is called with, once.
SIDE = 64


def export_model(
    model_path: str | os.PathLike,
    path: str | os.PathLike,
    format: str = "tf_saved_model",
) -> None:
    """Exports the model of a `.keras` file, by Keras' own export.

    The exported model computes in single precision, takes what the model takes
    and has its outputs in their order. The class names, where the file has
    them, are written to `path` + `.classes.json`. An export that fails leaves
    nothing behind.

    Args:
        model_path: Path of a `.keras` file.
        path: Path of the file or folder to write, which must not exist.
        format: `"tf_saved_model"` (a folder), `"onnx"`, `"openvino"`
            (`.xml`, and `.bin` beside it) or `"litert"` (`.tflite`).

    Raises:
        ValueError: If `path` exists or has another ending, or `model_path` is
            no model.
        ImportError: If a package that writes the format is not installed.
    """
    path = pathlib.Path(path)
    choice("format", format, FORMATS)
    suffix = SUFFIXES.get(format, "")
    if not path.name.endswith(suffix):
        raise ValueError(
            f"`path` must end in {suffix} for the format {format!r}. "
            f"Received: path={str(path)!r}"
        )
    names = path.with_name(path.name + ".classes.json")
    beside = [path.with_suffix(".bin")] if format == "openvino" else []
    for target in (path, names, *beside):
        if target.exists():
            raise ValueError(
                f"`path` must be new: {target} exists. Nothing was changed."
            )
    if keras.backend.backend() == "tensorflow":
        require(f"The format {format!r}", MODULES.get(format, ()), "export")
    model = in_single_precision(load_model(model_path))
    classes = read_about(model_path).get("class_names")
    _call_once(model)
    with _nothing_left(names, *beside), replacing(path) as temporary:
        # Two of the formats take strings only.
        model.export(str(temporary), format=format, verbose=False)
        if format == "openvino":
            keep_outputs(temporary)
        for target in beside:
            os.replace(temporary.with_name(target.name), target)
        if classes:
            write_json(names, classes)


def _call_once(model: keras.Model) -> None:
    """Keras exports no model that has not been called since it was loaded."""

    def zeros(tensor: Any) -> Any:
        shape = [1, *(side or SIDE for side in tensor.shape[1:])]
        return keras.ops.zeros(shape, tensor.dtype)

    # A `Sequential` around a network has no input until it is called.
    first = model.layers[0] if isinstance(model, keras.Sequential) else model
    model(keras.tree.map_structure(zeros, first.input), training=False)


@contextlib.contextmanager
def _nothing_left(*files: pathlib.Path) -> Iterator[None]:
    """After an error, removes new files and the folders made for them."""
    parents = (files[0].parent, *files[0].parent.parents)
    absent = [folder for folder in parents if not folder.exists()]
    try:
        yield
    except BaseException:
        for file in files:
            file.unlink(missing_ok=True)
        for folder in absent:
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise
