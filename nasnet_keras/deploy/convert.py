"""Published weights as one file that loads on every backend."""

import os
import pathlib
from typing import Any

import keras

import nasnet_keras
from nasnet_keras.runs.files import replacing
from nasnet_keras.weights import Loaded, WeightsError, load_weights


def convert_weights(
    source: str | os.PathLike,
    preset: Any,
    path: str | os.PathLike,
    moving_average: bool | str = "auto",
    **overrides: Any,
) -> Loaded:
    """Writes published weights as a file that loads on every backend.

    Every variable is accounted for, and the file is read back and compared
    before it appears at `path`.

    Args:
        source: Path of a file that `load_weights` reads: of
            keras.applications, or a TF-slim checkpoint, which only TensorFlow
            can read.
        preset: Name or folder of the network's preset.
        path: Path of the file to write: `.weights.h5`, or `.keras` for the
            whole network.
        moving_average: Of a TF-slim checkpoint, see `load_tf_slim`.
        overrides: Arguments of `NASNet` in place of the preset's.

    Returns:
        `Loaded`: the variables that were found.

    Raises:
        WeightsError: If the weights are not those of the network, or the file
            does not read back as it was written.
    """
    model = nasnet_keras.from_preset(preset, weights=None, **overrides)
    loaded = load_weights(model, source, moving_average=moving_average)
    _save_checked(model, pathlib.Path(path))
    return loaded


def _save_checked(model: keras.Model, path: pathlib.Path) -> None:
    """Saves the model or its weights, and reads the file back."""
    is_model = path.name.endswith(".keras")
    save = model.save if is_model else model.save_weights
    expected = [value.copy() for value in model.get_weights()]
    with replacing(path) as temporary:
        save(temporary)
        load_weights(model, temporary)
        pairs = zip(expected, model.get_weights())
        if not all((old == new).all() for old, new in pairs):
            raise WeightsError(f"{path} did not read back as it was written.")
