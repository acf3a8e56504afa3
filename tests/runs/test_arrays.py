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


def test_flipped_bits_are_found(tmp_path):
    """At every byte; a flip that changes no value is harmless."""
    path = tmp_path / "arrays.npz"
    array = np.arange(20, dtype="float32")
    write_arrays(path, [array], state=7)
    content = path.read_bytes()
    lost = 0
    for position in range(len(content)):
        flipped = bytearray(content)
        flipped[position] ^= 1 << position % 8
        path.write_bytes(flipped)
        found = read_arrays(path, "state")
        lost += found is None
        if found is not None:
            np.testing.assert_array_equal(found[0][0], array)
            assert found[1] == 7 and found[0][0].dtype == array.dtype
    assert lost > len(content) / 2


def test_other_integers_than_those_written_are_found(tmp_path):
    path = tmp_path / "arrays.npz"
    write_arrays(path, [np.arange(3.0)], state=7)
    with np.load(path) as file:
        content = dict(file)
    np.savez(path, **{**content, "state": np.array(6)})
    assert read_arrays(path, "state") is None
    np.savez(path, **{k: v for k, v in content.items() if k != "crc"})
    assert read_arrays(path, "state")[1] == 7  # As earlier versions wrote.


def test_pickles_are_not_loaded(tmp_path):
    path = tmp_path / "arrays.npz"
    np.savez(path, np.array([{"a": 1}], dtype=object), state=7)
    assert read_arrays(path, "state") is None
