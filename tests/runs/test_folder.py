"""Folders of runs: which are taken, what is removed."""

import tempfile

import pytest

from nasnet_keras.runs.folder import differences, run_folder, without_data_name
from nasnet_keras.runs.lock import FolderInUseError
from tests.support.locks import another_process_in


def enter(folder, **kwargs):
    return run_folder(folder, "config.json", "search", **kwargs)


def test_a_run_that_wrote_nothing_leaves_no_folder(tmp_path):
    folder = tmp_path / "runs" / "new"
    with pytest.raises(ValueError), enter(folder):
        raise ValueError("Wrong argument.")
    assert not folder.exists()


def test_what_a_killed_run_left_is_no_other_content(tmp_path):
    for name in ("config.json", "best.json"):
        tempfile.mkdtemp(dir=tmp_path, prefix=f".{name}.")
    (tmp_path / "log").write_text("a line\n")
    (tmp_path / "trials.jsonl").touch()
    with pytest.raises(ValueError, match="holds other files"), enter(tmp_path):
        pass
    with enter(tmp_path, begun=("trials.jsonl",)):
        (tmp_path / "config.json").write_text("{}")
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["config.json", "log", "trials.jsonl"]


@pytest.mark.parametrize("name", ["thesis.txt", ".hidden", ".a.abcd1234"])
def test_other_content_is_refused_and_kept(tmp_path, name):
    (tmp_path / name).write_text("mine")
    before = tmp_path.stat().st_mtime_ns
    with pytest.raises(ValueError, match="holds other files"), enter(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert tmp_path.stat().st_mtime_ns == before


def test_the_folder_of_another_process_is_left_as_it_is(tmp_path):
    folder = tmp_path / "run"
    with another_process_in(folder):
        with pytest.raises(FolderInUseError), enter(folder):
            pass
        assert [path.name for path in folder.iterdir()] == [".lock"]


def test_data_are_known_by_their_hash():
    def of(name, sha256):
        return without_data_name({"data": {"name": name, "sha256": sha256}})

    assert not list(differences(of("d", "a"), of("d/", "a")))
    assert list(differences(of("d", "a"), of("d", "b"))) == [
        'data.sha256: there "a", now "b"'
    ]
