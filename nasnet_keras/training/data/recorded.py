"""The data of a run that goes on: those that it recorded."""

import json
import os
import pathlib
from typing import Any

import numpy as np

from nasnet_keras.training.data.dataset import (
    Dataset,
    is_cropped,
    load_dataset,
)
from nasnet_keras.training.data.older import READING


def recorded_digest(path: str | os.PathLike[str], *keys: str) -> str | None:
    """Returns the digest of the data that a run's file records.

    Args:
        path: Path of a JSON file.
        keys: The names under which it holds the run's data.

    Returns:
        SHA-256 in hexadecimal; `None` if there is no such file or entry.
    """
    try:
        content = json.loads(pathlib.Path(path).read_text())
        for key in (*keys, "data", "sha256"):
            content = content[key]
    except (OSError, ValueError, LookupError, TypeError):
        return None  # Whoever needs the file names what is wrong with it.
    return content


def load_as_recorded(
    recorded: str | None, seed: int, name: Any, **options: Any
) -> Dataset:
    """Loads a dataset: the older draw of it if that is what a run recorded.

    Args:
        recorded: SHA-256 of the run's data; `None` for a new run.
        seed: Integer, the seed with which the run's version split the data.
        name, options: Arguments of `load_dataset`.

    Returns:
        `Dataset`. If neither draw has the digest, the current one.
    """
    dataset = load_dataset(name, **options)
    if recorded is None or recorded == dataset.digest:
        return dataset
    options = {**options, **_older_reading(dataset, name)}
    older = load_dataset(name, **options, older_draw=seed)
    return older if older.digest == recorded else dataset


def _older_reading(dataset, name):
    """How files were read: squashed if they were held in memory."""
    in_memory = isinstance(dataset.test[0], np.ndarray)
    return READING if in_memory and is_cropped(name) else {}
