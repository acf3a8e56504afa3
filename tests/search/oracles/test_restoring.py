"""Folders of searches that are damaged, taken, or not what they seem."""

import errno
import json
import os
import shutil
import time

import keras_tuner
import numpy as np
import pytest

from nasnet_keras.runs.files import DamagedFileError
from nasnet_keras.runs.lock import FolderInUseError
from nasnet_keras.search import (
    RandomOracle,
    SearchMismatchError,
    SearchSpace,
    open_search,
)
from nasnet_keras.search.oracles.journal import parse_lines, to_line
from tests.support.locks import another_process_in

SPACE = SearchSpace([(f"{i} operation", ("a", "b", "c")) for i in range(4)])


class Tuner(keras_tuner.Tuner):
    """Its trials take microseconds."""

    def run_trial(self, trial):
        values = list(trial.hyperparameters.values.values())
        return {"val_accuracy": values.count("a") / 4}

    def save(self):
        pass


def make(folder, trials=6, tuner_class=Tuner, **kwargs):
    oracle = RandomOracle(SPACE, max_trials=trials, **kwargs)
    oracle.verbose = 0
    tuner = tuner_class(oracle, directory=folder, project_name="run")
    return oracle, tuner


def search(folder, trials=6, tuner_class=Tuner, **kwargs):
    oracle, tuner = make(folder, trials, tuner_class, **kwargs)
    try:
        tuner.search()
    finally:
        oracle.close()
    return oracle


def read(path):
    return parse_lines(path.read_bytes(), path)


@pytest.fixture
def journal(tmp_path):
    """The journal of a search of six trials."""
    search(tmp_path)
    return tmp_path / "run" / "trials.jsonl"


def test_after_a_failed_restore_nothing_counts_twice(journal, tmp_path):
    content = journal.read_bytes()
    records = read(journal)
    damaged = content.replace(b'"trial": 3', b'"trial": 2')
    journal.write_bytes(damaged)
    oracle, tuner = make(tmp_path, 9)
    for _ in range(2):
        with pytest.raises(DamagedFileError, match=r"trials\.jsonl, line 4 is"):
            tuner.search()
    assert journal.read_bytes() == damaged
    assert oracle.records == [] and oracle.trials == {}
    with another_process_in(journal.parent):
        pass  # The folder is free.
    journal.write_bytes(content)  # A copy was restored.
    tuner.search()
    assert oracle.records == read(journal)
    assert oracle.records[:6] == records
    assert [r["trial"] for r in oracle.records] == list(range(9))
    oracle.close()


def test_a_refused_folder_leaves_no_trace_in_the_oracle(tmp_path):
    point = (2,) * 4
    search(tmp_path / "other", enqueue=[point], context={"data": "other"})
    oracle, tuner = make(tmp_path / "other")
    with pytest.raises(SearchMismatchError):
        tuner.search()
    oracle.folder = tmp_path / "own" / "run"
    tuner.search()
    oracle.close()
    assert outcome(oracle) == outcome(search(tmp_path / "whole"))


def outcome(oracle):
    return [(r["trial"], r["score"], r["values"]) for r in oracle.records]


def test_after_close_it_goes_on_in_its_folder(tmp_path):
    oracle, tuner = make(tmp_path, 3)
    tuner.search()
    oracle.close()
    assert len(oracle.get_best_trials(9)) == 3
    with another_process_in(tmp_path / "run"):
        oracle.max_trials = 5
        with pytest.raises(FolderInUseError):
            tuner.search()
    tuner.search()
    oracle.close()
    assert outcome(oracle) == outcome(search(tmp_path / "whole", 5))


@pytest.mark.parametrize(
    "damage",
    [
        {"trial": "5"},
        {"trial": -1},
        {"status": None},
        {"score": "0.3"},
        {"score": True},
        {"metrics": []},
        {"values": 3},
    ],
)
def test_a_record_of_another_form_is_damaged(journal, tmp_path, damage):
    """Wherever it is read: by its search, as a warm start, by its results."""
    record = {**read(journal)[5], **damage}
    journal.write_bytes(b"".join(map(to_line, [*read(journal)[:5], record])))
    (name,) = damage
    named = rf"trials\.jsonl, line 6 is damaged: {name} "
    oracle, _ = make(tmp_path)
    for _ in range(2):
        with pytest.raises(DamagedFileError, match=named):
            oracle.restore()
        assert oracle.records == []
    with pytest.raises(DamagedFileError, match=named):
        open_search(journal.parent, SPACE)
    warm, _ = make(tmp_path / "warm", warm_start=journal.parent)
    with pytest.raises(DamagedFileError, match=named):
        warm.restore()
    assert not (tmp_path / "warm" / "run" / "config.json").exists()


def test_a_score_is_missing_from_a_line_without_checksum(journal, tmp_path):
    line = json.dumps({**read(journal)[0], "score": 0.5})
    journal.write_text(line.replace('"score"', '"skore"') + "\n")
    oracle, _ = make(tmp_path)
    with pytest.raises(DamagedFileError, match="line 1 is damaged: score "):
        oracle.restore()


def test_a_bit_of_the_last_newline(journal, tmp_path):
    """The last trial was written whole: it is not cut off in silence."""
    content = journal.read_bytes()
    for bit in range(8):
        journal.write_bytes(content[:-1] + bytes([content[-1] ^ 1 << bit]))
        with pytest.raises(DamagedFileError, match=r"trials\.jsonl, line 6"):
            make(tmp_path)[0].restore()
        with pytest.raises(DamagedFileError, match=r"trials\.jsonl, line 6"):
            open_search(journal.parent, SPACE)
    assert len(journal.read_bytes()) == len(content)


def test_a_line_that_is_cut_off_is_reported(journal, tmp_path, capsys):
    content = journal.read_bytes()
    journal.write_bytes(content[:-9])
    oracle, _ = make(tmp_path)
    oracle.restore()
    assert len(oracle.records) == 5
    oracle.close()
    assert f"{journal}: its last line was not" in capsys.readouterr().err


def test_the_policy_of_another_search_is_not_taken_over(journal, tmp_path):
    """Its snapshot was left when journal and configuration were removed."""
    folder = journal.parent
    for name in ("trials.jsonl", "config.json"):
        (folder / name).unlink()
    (folder / "controller.npz").write_bytes(b"another policy")
    search(tmp_path)
    assert not (folder / "controller.npz").exists()


def test_a_record_that_is_no_trial_of_the_space(journal, tmp_path):
    for damage in ({"values": {}}, {"values": {"0 operation": "z"}}):
        record = {**read(journal)[5], **damage}
        journal.write_bytes(
            b"".join(map(to_line, [*read(journal)[:5], record]))
        )
        oracle, _ = make(tmp_path)
        with pytest.raises(DamagedFileError, match="trial 5"):
            oracle.restore()
        assert oracle.records == []


def test_a_missing_journal_is_not_begun_anew(journal, tmp_path):
    journal.unlink()
    with pytest.raises(SearchMismatchError, match=r"but no trials\.jsonl"):
        search(tmp_path)
    assert not journal.exists()


def test_a_damaged_configuration_is_named(journal, tmp_path):
    path = journal.with_name("config.json")
    for content in (b"", b"{", b"[]", b"null", b"\xff"):
        path.write_bytes(content)
        with pytest.raises(DamagedFileError, match=r"config\.json is damaged"):
            search(tmp_path)
        assert path.read_bytes() == content


def test_a_damaged_line_of_an_earlier_search_is_named(journal, tmp_path):
    search(tmp_path / "warm", 1, warm_start=journal.parent)
    copy = tmp_path / "warm" / "run" / "warm_start.jsonl"
    assert copy.read_bytes() == journal.read_bytes()
    copy.write_bytes(copy.read_bytes().replace(b"COMPLETED", b"INVALID", 1))
    with pytest.raises(DamagedFileError, match=r"warm_start\.jsonl, line 1"):
        search(tmp_path / "warm", 2)
    journal.write_bytes(journal.read_bytes().replace(b'"a"', b'"b"', 1))
    with pytest.raises(DamagedFileError, match=r"trials\.jsonl, line"):
        search(tmp_path / "new", 1, warm_start=journal.parent)


def test_what_was_left_before_the_beginning_is_not_mixed_in(journal, tmp_path):
    """Killed before `config.json`, then started without a warm start."""
    folder = tmp_path / "new" / "run"
    folder.mkdir(parents=True)
    shutil.copy(journal, folder / "warm_start.jsonl")
    (folder / "trials.jsonl").touch()
    oracle = search(tmp_path / "new")
    assert oracle.earlier == [] and len(oracle.records) == 6
    assert not (folder / "warm_start.jsonl").exists()


def test_data_of_another_name_are_the_same(tmp_path):
    def context(name, sha256="a"):
        return {"data": {"name": name, "sha256": sha256, "image_size": 8}}

    search(tmp_path, 2, context=context("d/plain"))
    again = search(tmp_path, 3, context=context("/elsewhere/plain/"))
    assert len(again.records) == 3
    with pytest.raises(SearchMismatchError, match="sha256") as error:
        search(tmp_path, 3, context=context("d/plain", "b"))
    assert "data.name" not in str(error.value)
    with pytest.raises(SearchMismatchError, match="image_size"):
        changed = context("d/plain")
        changed["data"]["image_size"] = 9
        search(tmp_path, 3, context=changed)


def test_a_full_disk_loses_nothing(tmp_path, monkeypatch):
    oracle, tuner = make(tmp_path)
    oracle.restore()
    real, calls = os.fsync, []

    def fsync(file):
        calls.append(file)
        if len(calls) == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(file)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match=r"No space left.*trials\.jsonl"):
        tuner.search()
    assert [r["trial"] for r in oracle.records] == [0, 1]
    tuner.search()  # There is space again.
    oracle.close()
    assert read(tmp_path / "run" / "trials.jsonl") == oracle.records
    assert outcome(oracle) == outcome(search(tmp_path / "whole"))


def test_a_clock_that_goes_back(tmp_path, monkeypatch):
    clock = iter(range(10**6, 0, -1000))
    monkeypatch.setattr(time, "time", lambda: next(clock))
    oracle = search(tmp_path)
    assert all(0 <= r["seconds"] < 60 for r in oracle.records)


# NumPy warns of a metric that is always NaN, which KerasTuner reads.
@pytest.mark.filterwarnings("ignore:All-NaN axis encountered:RuntimeWarning")
def test_numbers_that_json_lacks(tmp_path):
    """What is in memory is what is read back."""

    class Odd(Tuner):
        def run_trial(self, trial):
            score = [0.5, np.nan, np.inf, -np.inf, 0.25, 0.5]
            number = int(trial.trial_id)
            cost = float("nan") if number == 4 else 1.0
            return {"val_accuracy": float(score[number]), "cost": cost}

    oracle = search(tmp_path, tuner_class=Odd, max_consecutive_failed_trials=9)
    assert [r["status"] for r in oracle.records] == [
        *("COMPLETED", "FAILED", "FAILED", "FAILED", "COMPLETED", "COMPLETED")
    ]
    assert [r["score"] for r in oracle.records] == [
        *(0.5, None, None, None, 0.25, 0.5)
    ]
    assert oracle.records[4]["metrics"]["cost"] is None
    journal = tmp_path / "run" / "trials.jsonl"
    assert read(journal) == oracle.records
    assert b"NaN" not in journal.read_bytes()
    again = search(tmp_path)
    assert again.records == oracle.records
    cost = again.get_trial("00004").metrics.get_last_value("cost")
    assert np.isnan(cost)


def test_retries_are_recorded(tmp_path):
    crashes = []

    class Crashing(Tuner):
        def run_trial(self, trial):
            crashes.append(trial.trial_id)
            if trial.trial_id == "00001" and crashes.count("00001") < 3:
                raise OSError(f"crash {len(crashes)}")
            if trial.trial_id == "00003":
                raise OSError("always")
            return super().run_trial(trial)

    oracle = search(tmp_path, 5, tuner_class=Crashing, max_retries_per_trial=2)
    assert [r.get("retries") for r in oracle.records] == [
        *(None, 2, None, 2, None)
    ]
    assert oracle.records[1]["status"] == "COMPLETED"
    assert "crash 3" in oracle.records[1]["message"]
    assert oracle.records[3]["status"] == "FAILED"
    assert crashes.count("00003") == 3
    again = search(tmp_path, 5, max_retries_per_trial=2)
    assert again.records == oracle.records


@pytest.mark.parametrize(
    "add, default",
    [
        (lambda hp: hp.Float("lr", 1e-4, 1e-1, default=0.01), 0.01),
        (lambda hp: hp.Int("lr", 1, 9), 1),
        (lambda hp: hp.Choice("lr", ["x", "y"]), "x"),
        (lambda hp: hp.Boolean("lr"), False),
        (lambda hp: hp.Fixed("lr", 7), 7),
    ],
)
def test_a_hyperparameter_of_the_hypermodel_has_its_default(
    tmp_path, add, default
):
    built = []

    class Hypermodel(keras_tuner.HyperModel):
        def build(self, hp):
            hp.Choice("0 operation", ["a", "b", "c"])
            built.append(add(hp))

    class Building(keras_tuner.Tuner):
        def run_trial(self, trial):
            self.hypermodel.build(trial.hyperparameters)
            values = trial.hyperparameters.values.values()
            return {"val_accuracy": list(values).count("a") / 4}

        def save(self):
            pass

    def run(trials):
        oracle = RandomOracle(SPACE, max_trials=trials)
        oracle.verbose = 0
        tuner = Building(
            oracle, Hypermodel(), directory=tmp_path, project_name="run"
        )
        tuner.search()
        oracle.close()
        return oracle

    run(2)
    oracle = run(4)
    assert {r["values"]["lr"] for r in oracle.records} == {default}
    assert set(built) == {default} and len(oracle.records) == 4
    best = oracle.get_best_trials(1)[0].hyperparameters
    Hypermodel().build(best)
    assert best.get("lr") == default


def test_an_old_trial_without_the_hyperparameter_can_be_built(tmp_path):
    search(tmp_path, 2)
    oracle, _ = make(tmp_path, 2)
    best = oracle.get_best_trials(1)[0].hyperparameters
    assert best.Float("lr", 0.1, 1.0, default=0.3) == 0.3
    oracle.close()


def test_a_configuration_is_written_as_it_is_read(tmp_path):
    context = {"limit": float("inf")}
    search(tmp_path, 2, context=context)
    assert len(search(tmp_path, 3, context=context).records) == 3


class Aging(Tuner):
    """Stands for shared weights: each two trials they are trained on."""

    def run_trial(self, trial):
        number = int(trial.trial_id)
        found = super().run_trial(trial)
        return {**found, "weights_steps": 100 * (1 + number // 2)}


def test_a_warm_start_of_shared_weights_is_of_one_age(tmp_path, capfd):
    """Rewards with other weights do not compare: the last round is taken."""
    earlier = search(tmp_path / "earlier", 6, Aging)
    oracle, _ = make(tmp_path, warm_start=tmp_path / "earlier" / "run")
    oracle.restore()
    assert oracle.earlier == earlier.records[-2:]
    assert "of 6 earlier trials, 2 are learned from" in capfd.readouterr().err
    oracle.close()
    oracle, _ = make(tmp_path)  # Resumed, it is the same.
    oracle.restore()
    assert oracle.earlier == earlier.records[-2:]
    oracle.close()


@pytest.mark.parametrize("theirs", ["filters", "parameters"])
def test_a_warm_start_is_equal_in_the_same_size(tmp_path, theirs):
    """Equal filters order cells otherwise than equal parameters."""
    sizes = {"filters": 8, "parameters": 75_000, "macs": None}

    def network(equal):
        size = dict.fromkeys(sizes) | {equal: sizes[equal]}
        return {"network": {"cells_per_stack": 1, **size}}

    search(tmp_path / "earlier", 2, context=network(theirs))
    earlier = {"warm_start": tmp_path / "earlier" / "run"}
    ours = network("parameters")
    if theirs == "parameters":
        assert len(search(tmp_path, 2, context=ours, **earlier).earlier) == 2
        return
    with pytest.raises(ValueError, match="gave all the same filters") as error:
        search(tmp_path, 2, context=ours, **earlier)
    assert "about the same parameters" in str(error.value)
    assert not (tmp_path / "run" / "config.json").exists()
