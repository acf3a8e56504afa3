"""Exports a model for other programs: a server, a phone, another framework."""

import contextlib
import os
import pathlib
from collections.abc import Iterator
from typing import Any

import keras

from nasnet_keras.checks import choice, flag
from nasnet_keras.deploy.exporting.calibration import (
    calibration_images,
    evenly,
)
from nasnet_keras.deploy.exporting.compare import compare
from nasnet_keras.deploy.exporting.formats import FORMATS, Format
from nasnet_keras.deploy.exporting.runtimes import can_run
from nasnet_keras.deploy.exporting.write import write_file
from nasnet_keras.deploy.fusing.fuse import fuse
from nasnet_keras.model_files import load_model, read_about
from nasnet_keras.model_files.contract import Said
from nasnet_keras.model_files.precision import (
    in_precision,
    in_single_precision,
)
from nasnet_keras.runs.files import replacing, write_json
from nasnet_keras.runs.optional import require
from nasnet_keras.runs.provenance import provenance

COMPARED = 64  # Images, at most.
CLASSES, REPORT = ".classes.json", ".report.json"


def export(
    model: keras.Model | str | os.PathLike,
    path: str | os.PathLike,
    format: str = "tf_saved_model",
    precision: str = "float32",
    fused: bool = True,
    calibration: Any = None,
    input_range: str | None = None,
    image_size: int | None = None,
) -> dict[str, Any]:
    """Exports a model, runs the file in its own runtime and compares it.

    The file takes what the model takes, in single precision, and gives its
    outputs; that of Core ML takes one image at a time. Beside it `path` +
    `.report.json` says how close they are; the class names, where a `.keras`
    file has them, are in `path` + `.classes.json`. An export that fails leaves
    nothing behind.

    Args:
        model: `keras.Model`, or path of a `.keras` file.
        path: Path of the file or folder to write, which must not exist.
        format: `"tf_saved_model"` (a folder), `"onnx"` (`.onnx`),
            `"openvino"` (`.xml`, and `.bin` beside it), `"litert"`
            (`.tflite`) or `"coreml"` (`.mlpackage`).
        precision: `"float32"`; `"float16"` of all but the first; `"bfloat16"`
            of the first; `"int8"` of ONNX, OpenVINO and LiteRT, whose files
            are a third as large, and seldom faster.
        fused: Boolean, whether `fuse` makes it faster before.
        calibration: Some hundred images that the network will meet, which
            int8 needs: array `(number, height, width, channels)` as the model
            takes them, or path of a folder of image files. The file is
            compared on some of them, in any precision; without them on random
            images.
        input_range: `"0..255"`, `"0..1"` or `"-1..1"`: the values of the
            images that a model takes which does not say it itself.
        image_size: Integer, side in pixels to which the images of a folder
            are cropped, for a model that takes any size. Defaults to the size
            for which it was trained.

    Returns:
        Dictionary, the report: `largest_difference` from the model's outputs,
        relative to the largest; `same_predictions`, the part of the images
        with the same largest output; `compared_on`, which images these are:
        of int8 those that calibrated it, while on others it may be less
        close; `order`, of each output of the model the place among the
        file's; `bytes`; what produced it.

    Raises:
        ValueError: If an argument does not fit, or `path` exists.
        ExportError: If the file does not compute what the model computes.
        ImportError: If a package that writes or runs the format is missing.
    """
    path, fused = pathlib.Path(path), flag("fused", fused)
    form = _checked(path, format, precision, calibration)
    classes = path.with_name(path.name + CLASSES)
    report = path.with_name(path.name + REPORT)
    beside = [path.with_suffix(form.beside)] if form.beside else []
    _check_new(path, classes, report, *beside)
    network, about = _load(model)
    images = calibration_images(
        network, calibration, about, Said(input_range), image_size
    )
    compared = images[evenly(len(images), COMPARED)]
    origin = _origin(calibration, precision)
    plain = in_single_precision(network)
    written = fuse(plain, form.multiple) if fused else plain
    if precision == "bfloat16":
        written = in_precision(written, "mixed_bfloat16")
    with _nothing_left(classes, report, *beside), replacing(path) as temporary:
        write_file(written, temporary, format, precision, images)
        found = {
            "format": format,
            "precision": precision,
            "fused": fused,
            "bytes": _size(temporary, form),
            **compare(plain, temporary, format, precision, compared, origin),
            "produced_by": provenance(*_packages(form)),
        }
        for target in beside:
            os.replace(temporary.with_name(target.name), target)
        if about.get("class_names"):
            write_json(classes, about["class_names"])
        write_json(report, found)
    return found


def _checked(
    path: pathlib.Path, format: str, precision: str, calibration: Any
) -> Format:
    """Checks arguments and packages before anything is loaded."""
    form = FORMATS[choice("format", format, tuple(FORMATS))]
    if precision not in form.precisions:
        raise ValueError(
            f"`precision` must be one of {', '.join(form.precisions)} for the "
            f"format {format!r}. Received: precision={precision!r}"
        )
    if precision == "int8" and calibration is None:
        raise ValueError(
            "`calibration` is missing: int8 needs some hundred images that the "
            "network will meet (--calibrate FOLDER). Received: "
            "calibration=None"
        )
    _check_suffix(path, format, form.suffix)
    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise ValueError(
            "The formats are written with TensorFlow as the backend of Keras: "
            "start again with KERAS_BACKEND=tensorflow, which loads .keras "
            f"files of all backends. Received: the backend {backend!r}"
        )
    modules = [*form.writers, *(form.int8 if precision == "int8" else ())]
    if can_run(format):
        modules.append(form.runtime)
    require(f"The format {format!r}", modules, form.extra)
    return form


def _check_suffix(path: pathlib.Path, format: str, suffix: str) -> None:
    formats = {form.suffix: name for name, form in FORMATS.items()}
    if suffix and path.suffix != suffix:
        raise ValueError(
            f"`path` must end in {suffix} for the format {format!r}. "
            f"Received: path={str(path)!r}"
        )
    if not suffix and path.suffix and path.suffix in formats:
        raise ValueError(
            f"`path` must be a folder for the format {format!r}; files like "
            f"this one are of the format {formats[path.suffix]!r}. Received: "
            f"path={str(path)!r}"
        )


def _check_new(*targets: pathlib.Path) -> None:
    for target in targets:
        if target.exists():
            raise ValueError(
                f"`path` must be new: {target} exists. Nothing was changed."
            )


def _load(model: Any) -> tuple[keras.Model, dict[str, Any]]:
    """The model, and what is stored with it."""
    if isinstance(model, keras.Model):
        return model, {}
    return load_model(model), read_about(model)


def _origin(calibration: Any, precision: str) -> str:
    """What the images are on which the file is compared."""
    if calibration is None:
        return "random images"
    return "calibration images" if precision == "int8" else "given images"


def _size(path: pathlib.Path, form: Format) -> int:
    """Bytes of a file, of what belongs to it, or of a folder."""
    if path.is_dir():
        return sum(x.stat().st_size for x in path.rglob("*") if x.is_file())
    files = [path, *([path.with_suffix(form.beside)] if form.beside else [])]
    return sum(file.stat().st_size for file in files)


def _packages(form: Format) -> list[str]:
    modules = {*form.writers, form.runtime, *form.int8}
    return sorted(module.replace("_", "-") for module in modules)


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
