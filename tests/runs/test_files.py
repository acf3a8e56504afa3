"""Files and folders that are replaced in one step."""

import json

import pytest

from nasnet_keras.runs.files import replacing, write_json


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
