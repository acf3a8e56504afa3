"""Facts about a network, recorded with its accuracy."""

import hashlib
import pathlib
from typing import Any

import keras

from nasnet_keras.layers.walk import all_layers
from nasnet_keras.presets.types import Preset


def pooling_semantics(model: keras.Model) -> str:
    """Returns the pooling semantics of a model's layers."""
    found = {
        layer.pooling_semantics
        for layer in all_layers(model)
        if hasattr(layer, "pooling_semantics")
    }
    return ", ".join(sorted(found)) or "none"


def weights_file(preset: Preset, weights: Any) -> pathlib.Path | None:
    """Returns the path of the file that weights come from.

    Args:
        preset: `Preset`.
        weights: A name of its weights, which must have been fetched before,
            or a path. For a TF-slim checkpoint, the file of values is
            returned.

    Returns:
        `pathlib.Path`, or `None` if the weights are in several files.
    """
    source = preset.weights.get(weights, weights)
    path = pathlib.Path(source.fetch() if hasattr(source, "fetch") else source)
    if path.is_file():
        return path
    folder, start = (path, "") if path.is_dir() else (path.parent, path.name)
    values = list(folder.rglob(f"{start}*.data-*"))
    return values[0] if len(values) == 1 else None


def file_sha256(path: pathlib.Path) -> str:
    """Returns the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
