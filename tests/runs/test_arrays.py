"""Arrays in a file that may be lost."""

import numpy as np
import pytest

from nasnet_keras.runs.arrays import read_arrays, write_arrays


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "new" / "arrays.npz"
    arrays = [np.arange(3.0), np.ones((2, 2), "float32"), np.array(7)]
    write_arrays(path, arrays, state=[4, 5])
    read, state = read_arrays(path, "state")
    assert state.tolist() == [4, 5]
    for one, other in zip(arrays, read, strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.dtype == other.dtype


@pytest.mark.parametrize("damage", ["absent", "cut", "empty", "text", "other"])
def test_a_missing_or_damaged_file_gives_none(tmp_path, damage):
    path = tmp_path / "arrays.npz"
    write_arrays(path, [np.arange(100)], state=1)
    content = path.read_bytes()
    if damage == "absent":
        path.unlink()
    elif damage == "other":
        write_arrays(path, [np.arange(100)], updates=1)
    else:
        texts = {"cut": content[:90], "empty": b"", "text": b"not an archive"}
        path.write_bytes(texts[damage])
    assert read_arrays(path, "state") is None
