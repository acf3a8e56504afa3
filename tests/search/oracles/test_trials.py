"""Trials that have ended are kept as their records."""

import gc

import keras_tuner
import pytest

from nasnet_keras.search import NASNetSpace, RandomOracle
from nasnet_keras.search.oracles.trials import (
    CURVE,
    Trial,
    copy_hyperparameters,
)

SPACE = NASNetSpace(1)


def make_oracle(folder, trials=40):
    oracle = RandomOracle(SPACE, "val_accuracy", max_trials=trials)
    oracle.verbose = 0
    oracle.folder = folder
    return oracle


def run(oracle, trials):
    for number in range(trials):
        trial = oracle.create_trial("tuner")
        for step, accuracy in enumerate((0.1, 0.3 + number / 1000, 0.2)):
            metrics = {"val_accuracy": accuracy, "loss": 1 / 3}
            oracle.update_trial(trial.trial_id, metrics, step=step)
            oracle.update_trial(trial.trial_id, {CURVE: accuracy}, step=step)
        trial.status = "COMPLETED"
        oracle.end_trial(trial)


def test_they_are_made_when_they_are_read(tmp_path):
    """No object of KerasTuner is kept for them, here or after a restart."""
    oracle = make_oracle(tmp_path)
    run(oracle, 40)
    names = [f"{number:05d}" for number in range(40)]
    assert list(oracle.trials) == oracle.end_order == names
    oracle.close()
    again = make_oracle(tmp_path)
    again.restore()
    for each in (oracle, again):
        trial = each.get_trial("00007")
        assert trial.score == pytest.approx(0.307) and trial.best_step == 1
        assert trial.status == "COMPLETED"
        assert SPACE.to_actions(trial.hyperparameters.values)
        history = trial.metrics.get_history(CURVE)
        values = [entry.value[0] for entry in history]
        assert values == pytest.approx([0.1, 0.307, 0.2])
        best = [trial.trial_id for trial in each.get_best_trials(2)]
        assert best == ["00039", "00038"]
    del trial
    gc.collect()
    kept = [item for item in gc.get_objects() if type(item) is Trial]
    assert len(kept) <= 2  # Of the last one, in a frame of `run`.
    again.close()


def test_records_share_names_and_options(tmp_path):
    """Of 20,000 trials they would take most of the memory."""
    oracle = make_oracle(tmp_path)
    run(oracle, 3)
    oracle.close()
    again = make_oracle(tmp_path)
    again.restore()
    first, *others = again.records
    decisions = {d.name: d for d in SPACE.decisions}
    for record in (first, *others):
        for name, value in record["values"].items():
            own = decisions[name]
            assert any(name is n for n in decisions)
            assert any(value is option for option in own.options)
    again.close()


def test_a_trial_without_a_score_comes_last(tmp_path):
    oracle = make_oracle(tmp_path, 2)
    failed = oracle.create_trial("tuner")
    failed.status, failed.message = "INVALID", "it has no sense"
    oracle.end_trial(failed)
    run(oracle, 1)
    best = [trial.trial_id for trial in oracle.get_best_trials(5)]
    assert best == ["00001", "00000"]
    assert oracle.get_trial("00000").message == "it has no sense"
    oracle.close()


def test_a_copy_of_the_space_is_independent():
    space = keras_tuner.HyperParameters()
    space.Choice("a", [1, 2])
    space.values["a"] = 2
    with space.conditional_scope("a", [2]):
        space.Float("b", 0.0, 1.0)
    copied = copy_hyperparameters(space)
    assert copied.get_config() == space.get_config()
    copied.Int("c", 0, 5)
    copied.values["a"] = 1
    assert "c" not in space and space.get("a") == 2
    assert [p.name for p in space.space] == ["a", "b"]
    assert copied.get("c") == 0
