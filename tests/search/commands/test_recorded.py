"""Folders of `nasnet search` that moved, are damaged, taken or foreign."""

import json
import os
import shutil

import keras
import numpy as np
import pytest
from PIL import Image

import nasnet_keras
from nasnet_keras.search import retraining
from nasnet_keras.search.assembly import Assembled
from nasnet_keras.search.commands import session
from nasnet_keras.search.evaluators.from_scratch import TrainFromScratch
from tests.support.commands import call
from tests.support.locks import another_process_in

SEARCH = (
    "search --image-size 8 --validation-split 0.3 --oracle random --blocks 1 "
    "--trials-per-process 0 --no-compare --batch-size 8"
)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A current folder with images of two classes in `d/plain`.

    Children are measured in microseconds, and nothing is retrained.
    """
    rng = np.random.default_rng(0)
    for name in ("ant", "bee"):
        folder = tmp_path / "d" / "plain" / name
        folder.mkdir(parents=True)
        for number in range(10):
            pixels = rng.integers(0, 256, (8, 8, 3), dtype="uint8")
            Image.fromarray(pixels).save(folder / f"{number}.png")

    def compute(self, genotype, **settings):
        return {"val_accuracy": len(repr(genotype)) % 10 / 10}, []

    monkeypatch.setattr(TrainFromScratch, "compute", compute)
    network = Assembled("NASNetLarge", "macs", 331, 8, 1, 1)
    monkeypatch.setattr(session, "imagenet_networks", lambda _: [network])
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def retrained(monkeypatch):
    """What `retrain` was called with, in place of a training."""
    calls = []

    def retrain(found, dataset, *args, **kwargs):
        calls.append(dataset)
        (found.folder / retraining.CARD).write_text("# A card\n")

    monkeypatch.setattr(retraining, "retrain", retrain)
    return calls


def search(data, trials, folder="run", *options):
    return call(
        *SEARCH.split(),
        *options,
        "--data",
        data,
        "--trials",
        trials,
        "--directory",
        folder,
    )


@pytest.fixture
def finished(place):
    """The folder of a search."""
    assert search("d/plain", 2) == 0
    return place / "run"


def content(folder):
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def number(folder):
    return (folder / "trials.jsonl").read_bytes().count(b"\n")


def test_the_same_data_by_another_name(place, retrained, monkeypatch, capfd):
    run = place / "run"
    names = ["d/plain", "d/plain/", "./d/plain", place / "d" / "plain"]
    shutil.copytree(place / "d", place / "moved")
    for trials, name in enumerate([*names, "moved/plain"], 1):
        assert search(name, trials) == 0, capfd.readouterr().err
        assert number(run) == trials
    (place / "moved" / "plain" / "ant" / "0.png").unlink()
    assert search("moved/plain", 9) == 2
    assert "data.sha256: there" in capfd.readouterr().err
    # What was recorded is found from every folder.
    assert search("d/plain", 5) == 0
    arguments = json.loads((run / "arguments.json").read_text())
    assert arguments["dataset"] == str(place / "d" / "plain")
    monkeypatch.chdir("/")
    assert call("retrain", run) == 0, capfd.readouterr().err
    assert len(retrained) == 1
    # It may have moved since; another one is refused.
    (place / "d" / "plain").rename(place / "there")
    capfd.readouterr()
    assert call("retrain", run) == 2
    assert "no longer at" in (error := capfd.readouterr().err)
    assert "--data PATH" in error
    assert call("retrain", run, "--data", place / "there") == 0
    assert call("retrain", run, "--data", place / "moved" / "plain") == 2
    assert "used other data" in capfd.readouterr().err
    assert len(retrained) == 2


EVIL = """
import pathlib
pathlib.Path("it_ran").touch()
from nasnet_keras.search import NASNetSpace
Space = NASNetSpace(blocks=1)
Other = NASNetSpace(blocks=2)
"""


def test_a_recorded_module_runs_only_if_it_is_named(
    place, retrained, monkeypatch, capfd
):
    assert search("d/plain", 2) == 0
    run = place / "run"
    arguments = json.loads((run / "arguments.json").read_text())
    arguments = {**arguments, "space": "evil:Space", "blocks": None}
    (run / "arguments.json").write_text(json.dumps(arguments))
    (place / "evil.py").write_text(EVIL)
    monkeypatch.syspath_prepend(place)
    assert call("retrain", run) == 2
    errors = capfd.readouterr().err
    assert "evil:Space" in errors and "--space" in errors
    assert not (place / "it_ran").exists()
    assert call("retrain", run, "--space", "evil:Space") == 0
    assert (place / "it_ran").exists() and len(retrained) == 1
    assert call("retrain", run, "--space", "evil:Other") == 2
    assert "a search of another space" in capfd.readouterr().err


def test_a_model_of_a_foreign_folder_runs_no_code(tmp_path):
    model = keras.Sequential(
        [keras.Input((2,)), keras.layers.Lambda(lambda x: x + 1)]
    )
    model.save(tmp_path / "model.keras")
    with pytest.raises(ValueError, match=r"[Uu]nsafe|safe_mode"):
        nasnet_keras.load_model(tmp_path / "model.keras")


DAMAGES = (b"", b"{", b"[]", b"null", b"\xff", b"{}")


def test_damaged_files_are_named(place, retrained, capfd):
    assert search("d/plain", 2) == 0
    run = place / "run"
    for name in ("arguments.json", "config.json"):
        path, before = run / name, (run / name).read_bytes()
        for damage in DAMAGES:
            path.write_bytes(damage)
            assert call("retrain", run) == 2
            errors = capfd.readouterr().err
            if (name, damage) != ("config.json", b"{}"):
                assert f"{path} is damaged" in errors
                assert "Restore a copy" in errors
            if name == "config.json" and damage != b"{}":
                assert search("d/plain", 3, run) == 2
                assert f"{path} is damaged" in capfd.readouterr().err
        path.write_bytes(before)
    journal = run / "trials.jsonl"
    journal.write_bytes(
        journal.read_bytes().replace(b'"score": ', b'"score": 1')
    )
    for words in (["retrain", run], None):
        assert (call(*words) if words else search("d/plain", 3, run)) == 2
        assert f"{journal}, line 1 is damaged" in capfd.readouterr().err
    journal.unlink()
    assert search("d/plain", 3) == 2
    assert "but no trials.jsonl" in capfd.readouterr().err
    assert not retrained


@pytest.mark.parametrize(
    "name, wrong",
    [
        ("batch_size", ...),
        ("batch_size", True),
        ("dataset", None),
        ("also", 3),
        ("space", None),
        ("seed", "1"),
    ],
)
def test_a_damaged_argument_is_named(
    finished, retrained, tmp_path, capfd, name, wrong
):
    arguments = json.loads((finished / "arguments.json").read_text())
    arguments[name] = wrong
    if wrong is ...:
        del arguments[name]
    path = tmp_path / "arguments.json"
    path.write_text(json.dumps(arguments))
    assert call("retrain", tmp_path) == 2
    error = f"{path} is damaged: {name} is missing or of another kind."
    assert error in capfd.readouterr().err


def test_limits_that_nothing_meets_name_the_flag(place, capfd):
    """Nothing is written: the same folder takes the mended command."""
    assert (
        search("d/plain", 2, "run", "--max-parameters", 10, "--filters", 2) == 2
    )
    error = "--max-parameters must let architectures through: none of "
    assert error in capfd.readouterr().err
    assert not (place / "run").exists()


def test_damaged_arguments_are_written_anew(place):
    assert search("d/plain", 2) == 0
    path = place / "run" / "arguments.json"
    before = path.read_bytes()
    path.write_bytes(b"")
    assert search("d/plain", 2) == 0
    assert path.read_bytes() == before


def test_one_process_at_a_time(place, capfd):
    run = place / "run"
    train = ("train", "--data", "digits", "--recipe", "cifar10_short")
    with another_process_in(run):
        assert search("d/plain", 2) == 1
        assert call(*train, "--directory", run) == 1
        errors = capfd.readouterr().err.splitlines()
        assert len(errors) == 2
        assert all("Another process works in" in line for line in errors)
        assert os.listdir(run) == [".lock"]
    assert search("d/plain", 2) == 0
    before = content(run)
    with another_process_in(run):
        capfd.readouterr()
        assert call("retrain", run) == 1
        assert search("d/plain", 9) == 1
        errors = capfd.readouterr().err.splitlines()
        assert len(errors) == 2
        assert all("Another process works in" in line for line in errors)
        (run / ".lock").unlink()
        assert content(run) == before


def test_a_folder_killed_before_its_configuration_is_taken(place, capfd):
    run = place / "run"
    (run / ".config.json.abcd1234").mkdir(parents=True)
    (run / ".config.json.abcd1234" / "config.json").write_text("{")
    (run / "trials.jsonl").touch()
    assert search("d/plain", 2) == 0, capfd.readouterr().err
    assert number(run) == 2
    names = sorted(p.name for p in run.iterdir() if p.name.startswith("."))
    assert names == []
