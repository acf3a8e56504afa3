"""Detects the format of a weights file, and loads it."""

from __future__ import annotations

import os
import zipfile
from typing import TYPE_CHECKING, overload

from nasnet_keras.weights.accounts import Loaded
from nasnet_keras.weights.keras_applications import (
    is_legacy_h5,
    load_keras_applications,
)
from nasnet_keras.weights.own import load_own
from nasnet_keras.weights.tf_slim import load_tf_slim, prefix_of

if TYPE_CHECKING:
    import keras


@overload
def load_weights(model: keras.Model, path: None) -> None: ...


@overload
def load_weights(
    model: keras.Model, path: str | os.PathLike[str]
) -> Loaded: ...


def load_weights(
    model: keras.Model, path: str | os.PathLike[str] | None
) -> Loaded | None:
    """Loads weights of any kind into a network; `None` leaves it random.

    Args:
        model: `keras.Model` of this package.
        path: `None` or a path: of a file that `model.save_weights` or
            `model.save` wrote, of an h5 file of keras.applications, or the
            prefix of a TF-slim checkpoint.

    Returns:
        `Loaded`, or `None` if `path` is `None`.

    Raises:
        WeightsError: If the weights are not those of the network.
        ValueError: If there is no such file, or it holds no weights.
    """
    if path is None:
        return None
    path = prefix_of(os.fspath(path))
    if os.path.isfile(f"{path}.index"):
        return load_tf_slim(model, path)
    if not os.path.isfile(path):
        raise ValueError(
            "`weights` must be None, the path of a weights file, or the prefix "
            "of a TF-slim checkpoint (there is a file PREFIX.index). Weights "
            "that have names, such as 'imagenet', belong to presets: see "
            "`nasnet_keras.NASNetMobile` and `nasnet_keras.from_preset`. "
            f"Received: weights={path!r}"
        )
    if not zipfile.is_zipfile(path) and is_legacy_h5(path):
        return load_keras_applications(model, path)
    return load_own(model, path)
