"""Loads published weights, once `download` has put them in the cache."""

from __future__ import annotations

import logging
import os
import pathlib
import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nasnet_keras.weights.accounts import Loaded, has_layer
from nasnet_keras.weights.keras_applications import load_keras_applications
from nasnet_keras.weights.own import load_own
from nasnet_keras.weights.tf_slim import UnreadableError, load_tf_slim

if TYPE_CHECKING:
    import keras

logger = logging.getLogger("nasnet_keras")


def load_published(
    model: keras.Model, published: Any, path: str | os.PathLike[str]
) -> Loaded:
    """Loads published weights.

    A classifier of another number of classes is not loaded, and the stem is
    adapted to another number of channels; the logger `nasnet_keras` warns of
    both.

    Args:
        model: `keras.Model` of this package.
        published: `nasnet_keras.presets.Weights`.
        path: What `published.fetch` returned: path of the file, or of the
            archive's folder.

    Returns:
        `Loaded`.
    """
    classifier = has_layer(model, "predictions") and (
        model.get_layer("predictions").units == published.classes
    )
    load = LOADERS[published.format]
    try:
        loaded = load(model, path, classifier=classifier, adapt=True)
    except UnreadableError as error:
        # The archive was verified, the folder extracted from it was not.
        logger.warning("%s Extracting the archive again.", error)
        shutil.rmtree(path)
        path = published.fetch()
        loaded = load(model, path, classifier=classifier, adapt=True)
    loaded.warn_of_fresh(model.name)
    return loaded


def _load_archive(model, folder, **options):
    """Loads the one checkpoint in a folder."""
    indices = pathlib.Path(folder).rglob("*.index")
    prefixes = [str(path.with_suffix("")) for path in indices]
    if len(prefixes) != 1:
        raise UnreadableError(
            f"`{folder}` should hold one TF-slim checkpoint. Found: {prefixes}"
        )
    return load_tf_slim(model, prefixes[0], **options)


LOADERS: dict[str, Callable[..., Loaded]] = {
    "keras_applications": load_keras_applications,
    "tf_slim": _load_archive,
    "shipped": load_own,
}
