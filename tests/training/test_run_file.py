"""`run.json`: which training a folder holds."""

import dataclasses
import json

import pytest

from nasnet_keras.runs.files import DamagedFileError
from nasnet_keras.training.recipes import Recipe
from nasnet_keras.training.run_file import write_run_file


def configuration(name="d", sha256="a", **network):
    return {
        "recipe": dataclasses.asdict(Recipe(1, 1, 0.1)),
        "data": {"name": name, "sha256": sha256},
        "network": network,
        "fine_tuning": {},
        "precision": "float32",
        "seed": 0,
    }


@pytest.fixture
def folder(tmp_path):
    """A training that has a checkpoint."""
    write_run_file(tmp_path, "nasnet train", configuration())
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "epoch_0001.keras").touch()
    return tmp_path


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"\xff", b"{}", b'{"configuration": []}'],
)
def test_a_damaged_file_is_named(folder, content):
    (folder / "run.json").write_bytes(content)
    with pytest.raises(DamagedFileError, match=r"run\.json is damaged"):
        write_run_file(folder, "nasnet train", configuration())
    assert (folder / "run.json").read_bytes() == content


def test_data_are_known_by_their_hash(folder):
    before = (folder / "run.json").read_bytes()
    write_run_file(folder, "nasnet train", configuration("/elsewhere/d/"))
    assert (folder / "run.json").read_bytes() == before
    with pytest.raises(ValueError, match=r'data\.sha256: there "a", now "b"'):
        write_run_file(folder, "nasnet train", configuration("d", "b"))


def test_a_file_may_be_named_by_another_path(folder, monkeypatch):
    (folder / "start.keras").touch()
    (folder / "other.keras").touch()
    (folder / "checkpoints" / "epoch_0001.keras").unlink()
    monkeypatch.chdir(folder)
    write_run_file(folder, "", configuration(model="start.keras"))
    (folder / "checkpoints" / "epoch_0001.keras").touch()
    monkeypatch.chdir(folder / "checkpoints")
    for name in ("../start.keras", str(folder / "start.keras")):
        write_run_file(folder, "", configuration(model=name))
    with pytest.raises(ValueError, match=r"network\.model"):
        write_run_file(folder, "", configuration(model="../other.keras"))
    run = json.loads((folder / "run.json").read_text())
    path = str((folder / "start.keras").resolve())
    assert run["configuration"]["network"] == {"model": path}
