"""Files and folders that are replaced in one step."""

import errno
import json
import os

import numpy as np
import pytest

from nasnet_keras.runs.files import (
    DamagedFileError,
    naming,
    read_json,
    replacing,
    write_json,
)


def test_a_new_folder_appears_complete(tmp_path):
    path = tmp_path / "presets" / "mine"
    with replacing(path) as new:
        new.mkdir()
        (new / "a.txt").write_text("a")
        assert not path.exists()
    assert [p.name for p in path.parent.iterdir()] == ["mine"]
    assert (path / "a.txt").read_text() == "a"


@pytest.mark.parametrize("content", ["old", None])
def test_an_error_changes_nothing(tmp_path, content):
    path = tmp_path / "file.txt"
    if content is not None:
        path.write_text(content)
    with pytest.raises(KeyboardInterrupt), replacing(path) as new:
        new.write_text("half of the ne")
        raise KeyboardInterrupt
    names = [p.name for p in tmp_path.iterdir()]
    assert names == ([] if content is None else ["file.txt"])
    assert content is None or path.read_text() == content


def test_json(tmp_path):
    write_json(tmp_path / "a.json", {"a": [1, 2]})
    text = (tmp_path / "a.json").read_text()
    assert json.loads(text) == {"a": [1, 2]} and text.endswith("\n")
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"a": object()})
    assert json.loads((tmp_path / "a.json").read_text()) == {"a": [1, 2]}


def test_numbers_that_json_lacks_become_null(tmp_path):
    numbers = [float("nan"), (float("inf"), -float("inf")), np.float64("nan")]
    write_json(tmp_path / "a.json", {"a": numbers, "b": 0.5})
    expected = {"a": [None, [None, None], None], "b": 0.5}
    assert read_json(tmp_path / "a.json") == expected


DAMAGES = {
    "empty": b"",
    "cut": b'{"a": 1',
    "array": b"[]",
    "null": b"null",
    "number": b"3",
    "encoding": b'{"a": "\xff\xfe"}',
    "binary": bytes(range(256)),
    "nested": b"[" * 100_000,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_json_file_is_named(tmp_path, damage):
    path = tmp_path / "config.json"
    path.write_bytes(DAMAGES[damage])
    with pytest.raises(DamagedFileError) as error:
        read_json(path, remedy="Search again.")
    assert str(error.value).startswith(f"{path} is damaged: ")
    assert str(error.value).endswith(" Search again.")


def test_a_full_disk_is_named(tmp_path, monkeypatch):
    def fsync(file):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    write_json(tmp_path / "a.json", {"old": 1})
    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="No space left on device") as error:
        write_json(tmp_path / "a.json", {"new": 1})
    assert str(tmp_path / "a.json") in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
    assert read_json(tmp_path / "a.json") == {"old": 1}


def test_an_error_of_text_only_is_named():
    with pytest.raises(OSError) as error, naming("model.keras"):
        raise OSError("Can't write data")  # As HDF5 does.
    assert str(error.value) == "model.keras: Can't write data"
