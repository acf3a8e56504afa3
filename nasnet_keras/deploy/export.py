"""Exports a model for other programs: a server, a phone, another framework."""

import os
import pathlib

from nasnet_keras.model_files import load_model, read_about
from nasnet_keras.runs.files import write_json


def export_model(
    model_path: str | os.PathLike,
    path: str | os.PathLike,
    format: str = "tf_saved_model",
) -> None:
    """Exports the model of a `.keras` file, by Keras' own export.

    The exported model takes images of 0 to 255. Its class names, where the
    file has them, are written to `path` + `.classes.json`.

    Args:
        model_path: Path of a `.keras` file.
        path: Path of the file or folder to write, which must not exist.
        format: A format of `keras.Model.export`: `"tf_saved_model"`,
            `"onnx"`, `"openvino"` or `"litert"`.

    Raises:
        ValueError: If `path` exists, or `model_path` is no model.
    """
    path = pathlib.Path(path)
    names = path.with_name(path.name + ".classes.json")
    for target in (path, names):
        if target.exists():
            raise ValueError(
                f"`path` must be new: {target} exists. Nothing was changed."
            )
    model = load_model(model_path)
    path.parent.mkdir(parents=True, exist_ok=True)
    model.export(path, format=format, verbose=False)
    classes = read_about(model_path).get("class_names")
    if classes:
        write_json(names, classes)
