"""Arrays in one `.npz` file, which may be lost without harm."""

import io
import os
import pathlib
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np

from nasnet_keras.runs.files import write_atomically


def write_arrays(
    path: str | os.PathLike[str], arrays: Sequence[np.ndarray], **state: Any
) -> None:
    """Writes arrays, in order, and named integers.

    Args:
        path: Path of the file.
        arrays: Sequence of arrays.
        state: Integers, or sequences of integers.
    """
    buffer = io.BytesIO()
    np.savez(buffer, *arrays, **state)
    write_atomically(path, buffer.getvalue())


def read_arrays(
    path: str | os.PathLike[str], name: str
) -> tuple[list[np.ndarray], np.ndarray] | None:
    """Reads what `write_arrays` wrote.

    Args:
        path: Path of the file.
        name: String, the name of the one entry in `state`.

    Returns:
        Pair: the arrays, the entry; `None` if the file is absent or damaged.
    """
    try:
        file = np.load(io.BytesIO(pathlib.Path(path).read_bytes()))
        arrays = [file[f"arr_{i}"] for i in range(len(file.files) - 1)]
        return arrays, file[name]
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile):
        return None
