"""Detects the format of a weights file, and loads it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, overload

from nasnet_keras.weights.accounts import Loaded
from nasnet_keras.weights.formats import is_checkpoint, locate
from nasnet_keras.weights.h5 import datasets_of, open_h5
from nasnet_keras.weights.keras_applications import (
    is_keras_applications,
    load_keras_applications,
)
from nasnet_keras.weights.own import load_own
from nasnet_keras.weights.tf_slim import load_tf_slim

if TYPE_CHECKING:
    import keras


@overload
def load_weights(
    model: keras.Model,
    path: None,
    adapt: bool = False,
    moving_average: bool | str = "auto",
) -> None: ...


@overload
def load_weights(
    model: keras.Model,
    path: str | os.PathLike[str],
    adapt: bool = False,
    moving_average: bool | str = "auto",
) -> Loaded: ...


def load_weights(
    model: keras.Model,
    path: str | os.PathLike[str] | None,
    adapt: bool = False,
    moving_average: bool | str = "auto",
) -> Loaded | None:
    """Loads weights of any kind into a network; `None` leaves it random.

    Args:
        model: `keras.Model` of this package.
        path: `None` or a path: of a file that `save_weights` or `save` wrote
            of such a network or of one of keras.applications; of an h5 file
            that keras.applications publishes; or a TF-slim checkpoint: its
            prefix, one of its files, or the file `checkpoint` beside them.
        adapt: Whether weights of another number of classes or channels are
            taken: classifiers that do not fit stay as they are, which the
            logger `nasnet_keras` warns of, and the stem's kernel is adapted.
        moving_average: Of a TF-slim checkpoint, see `load_tf_slim`.

    Returns:
        `Loaded`, or `None` if `path` is `None`.

    Raises:
        WeightsError: If the weights are not those of the network.
        ValueError: If there is no such file, or it holds no weights: the
            message says what it is.
    """
    if path is None:
        return None
    path = locate(path)
    if is_checkpoint(path):
        loaded = load_tf_slim(model, path, moving_average, adapt=adapt)
    elif moving_average is True:
        raise ValueError(
            f"`{path}` is no TF-slim checkpoint and holds no moving averages. "
            f"Received: moving_average={moving_average!r}"
        )
    else:
        with open_h5(path) as file:
            theirs = is_keras_applications(datasets_of(file, path))
        load = load_keras_applications if theirs else load_own
        loaded = load(model, path, adapt=adapt)
    if adapt:
        loaded.warn_of_fresh(model.name)
    return loaded
