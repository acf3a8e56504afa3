"""Arrays in one `.npz` file, which may be lost without harm."""

import io
import os
import pathlib
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from nasnet_keras.runs.files import write_atomically

CHECKSUM = "crc"


def write_arrays(
    path: str | os.PathLike[str], arrays: Sequence[np.ndarray], **state: Any
) -> None:
    """Writes arrays, in order, and named integers.

    Args:
        path: Path of the file.
        arrays: Sequence of arrays.
        state: Integers, or a sequence of integers, under one name.
    """
    buffer = io.BytesIO()
    checksum = _checksum([*arrays, *map(np.asarray, state.values())])
    np.savez(buffer, *arrays, **state, **{CHECKSUM: checksum})
    write_atomically(path, buffer.getvalue())


def read_arrays(
    path: str | os.PathLike[str], name: str
) -> tuple[list[np.ndarray], np.ndarray] | None:
    """Reads what `write_arrays` wrote. Files without checksum are older.

    Args:
        path: Path of the file.
        name: String, the name of the one entry in `state`.

    Returns:
        Pair: the arrays, the integers; `None` if the file is absent or
        damaged.
    """
    try:
        # Without pickles, which could run code.
        with np.load(io.BytesIO(pathlib.Path(path).read_bytes())) as file:
            number = sum(key.startswith("arr_") for key in file.files)
            arrays = [file[f"arr_{i}"] for i in range(number)]
            state = file[name]
            known = file[CHECKSUM] if CHECKSUM in file.files else None
    except Exception:  # Damaged files raise many kinds of errors.
        return None
    if known is not None and known != _checksum([*arrays, state]):
        return None
    return (arrays, state) if arrays and state.dtype.kind in "iu" else None


def fit_into(
    arrays: Sequence[np.ndarray], places: Sequence[np.ndarray]
) -> bool:
    """Whether arrays have the shapes and kinds of others, and no NaN.

    Args:
        arrays: Sequence of arrays that were read.
        places: Sequence of arrays that they would replace.
    """
    return len(arrays) == len(places) and all(
        array.shape == place.shape
        and array.dtype == place.dtype
        and bool(np.isfinite(array).all())
        for array, place in zip(arrays, places)
    )


def _checksum(arrays):
    """Returns the CRC-32 of types, shapes and values."""
    checksum = 0
    for array in arrays:
        head = f"{array.dtype.str} {array.shape}".encode()
        checksum = zlib.crc32(head, checksum)
        checksum = zlib.crc32(np.ascontiguousarray(array).tobytes(), checksum)
    return checksum
