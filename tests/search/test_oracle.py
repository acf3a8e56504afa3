"""The oracles: contract with KerasTuner, resuming, failures."""

import dataclasses
import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import time

import keras_tuner
import pytest

from nasnet_keras.search import (
    NASNetSpace,
    PPOOracle,
    RandomOracle,
    SearchMismatchError,
    SearchSpace,
)
from nasnet_keras.search.ppo import SETTINGS

SPACE = NASNetSpace(blocks=2, operations=("identity", "conv_1x1", "conv_3x3"))
QUICK = dataclasses.replace(SETTINGS["small"], batch_size=4, epochs=2)
MAKERS = {
    "random": lambda **kw: RandomOracle(SPACE, **kw),
    "ppo": lambda **kw: PPOOracle(SPACE, settings=QUICK, units=8, **kw),
}
both = pytest.mark.parametrize("kind", MAKERS)


def reward(values):
    """Made up: the share of one operation."""
    names = [v for k, v in values.items() if "operation" in k]
    return names.count("conv_3x3") / len(names)


class Tuner(keras_tuner.Tuner):
    """An ordinary tuner, as a user writes it."""

    def run_trial(self, trial):
        genotype = SPACE.to_genotype(trial.hyperparameters.values)
        assert len(genotype.normal.blocks) == 2
        return {"val_accuracy": reward(trial.hyperparameters.values)}


def search(kind, folder, trials, tuner_class=Tuner, **kwargs):
    oracle = MAKERS[kind](max_trials=trials, **kwargs)
    tuner = tuner_class(oracle, directory=folder, project_name="run")
    oracle.verbose = 0
    tuner.search()
    oracle.close()
    return oracle


def proposals(oracle):
    return [SPACE.to_actions(record["values"]) for record in oracle.records]


def outcome(oracle):
    kept = ("trial", "status", "score", "values", "policy", "log_prob")
    return [{k: r.get(k) for k in kept} for r in oracle.records]


@both
def test_an_ordinary_tuner_searches(kind, tmp_path):
    oracle = search(kind, tmp_path, 12)
    assert [record["trial"] for record in oracle.records] == list(range(12))
    assert {record["status"] for record in oracle.records} == {"COMPLETED"}
    best = oracle.get_best_trials(1)[0]
    assert best.score == max(record["score"] for record in oracle.records)
    lines = (tmp_path / "run" / "trials.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == oracle.records


@both
def test_the_seed_decides(kind, tmp_path):
    runs = [
        proposals(search(kind, tmp_path / str(i), 10, seed=seed))
        for i, seed in enumerate((0, 0, 1))
    ]
    assert runs[0] == runs[1] != runs[2]


@both
def test_resumed_equals_uninterrupted(kind, tmp_path):
    whole = search(kind, tmp_path / "whole", 21)
    for trials in (3, 4, 10, 21):  # between, at and after policy updates
        parts = search(kind, tmp_path / "parts", trials)
    assert outcome(parts) == outcome(whole)
    if kind == "ppo":
        # Without its snapshot the policy is learnt again from the journal.
        (tmp_path / "parts" / "run" / "controller.npz").unlink()
        longer = search(kind, tmp_path / "parts", 25)
        assert outcome(longer)[:21] == outcome(whole)
        assert longer.updates == 6
        assert outcome(longer) == outcome(search(kind, tmp_path / "whole", 25))


def test_a_damaged_snapshot_is_no_loss(tmp_path):
    whole = search("ppo", tmp_path / "whole", 14)
    search("ppo", tmp_path / "parts", 9)
    snapshot = tmp_path / "parts" / "run" / "controller.npz"
    snapshot.write_bytes(snapshot.read_bytes()[:100])
    assert outcome(search("ppo", tmp_path / "parts", 14)) == outcome(whole)


def test_the_policy_learns_through_the_oracle(tmp_path):
    settings = dataclasses.replace(SETTINGS["small"], learning_rate=0.005)
    oracle = PPOOracle(SPACE, settings=settings, units=32, max_trials=300)
    oracle.verbose = 0
    Tuner(oracle, directory=tmp_path, project_name="run").search()
    scores = [record["score"] for record in oracle.records]
    assert sum(scores[-40:]) / 40 > 0.75 > 0.45 > sum(scores[:40]) / 40
    assert oracle.baseline == pytest.approx(sum(scores[-40:]) / 40, abs=0.2)


def test_the_default_settings_follow_the_number_of_trials(tmp_path):
    assert PPOOracle(SPACE).settings == SETTINGS["small"]
    assert PPOOracle(SPACE, max_trials=5000).settings == SETTINGS["paper"]
    with pytest.raises(ValueError, match="settings='large'"):
        PPOOracle(SPACE, settings="large")
    # More trials later must not turn one into the other.
    first = PPOOracle(SPACE, max_trials=2)
    first.verbose = 0
    Tuner(first, directory=tmp_path, project_name="run").search()
    first.close()
    later = PPOOracle(SPACE, max_trials=6000)
    Tuner(later, directory=tmp_path, project_name="run")
    later.restore()
    assert later.settings == SETTINGS["small"]


@both
def test_another_search_in_the_folder_is_refused(kind, tmp_path):
    search(kind, tmp_path, 3, context={"data": {"sha256": "a"}})
    before = (tmp_path / "run" / "trials.jsonl").read_bytes()
    with pytest.raises(SearchMismatchError) as error:
        search(kind, tmp_path, 9, seed=5, context={"data": {"sha256": "b"}})
    assert 'data.sha256: there "a", now "b"' in str(error.value)
    assert "seed: there 0, now 5" in str(error.value)
    other = {"random": "ppo", "ppo": "random"}[kind]
    with pytest.raises(SearchMismatchError, match="oracle: there"):
        search(other, tmp_path, 9, context={"data": {"sha256": "a"}})
    assert (tmp_path / "run" / "trials.jsonl").read_bytes() == before


# NumPy's word on a metric that is NaN throughout, which KerasTuner looks at.
@pytest.mark.filterwarnings("ignore:All-NaN axis encountered:RuntimeWarning")
def test_failures_are_recorded_and_count_as_the_worst(tmp_path):
    class Failing(Tuner):
        def run_trial(self, trial):
            if int(trial.trial_id) % 4 == 1:
                raise MemoryError("out of memory")
            if int(trial.trial_id) % 4 == 2:
                return {"val_accuracy": float("nan")}
            return super().run_trial(trial)

    oracle = search("ppo", tmp_path, 12, tuner_class=Failing)
    statuses = [record["status"] for record in oracle.records]
    assert statuses == ["COMPLETED", "FAILED", "FAILED", "COMPLETED"] * 3
    assert "out of memory" in oracle.records[1]["message"]
    assert oracle.records[1]["score"] is None
    assert oracle.updates == 2  # twelve trials, the last four not yet learnt
    worst = min(
        r["score"] for r in oracle.records[:4] if r["score"] is not None
    )
    assert oracle._reward(oracle.records[1]) == oracle._worst <= worst
    assert outcome(search("ppo", tmp_path, 12)) == outcome(oracle)


def test_a_crashed_trial_is_retried(tmp_path):
    crashes = []

    class Crashing(Tuner):
        def run_trial(self, trial):
            if trial.trial_id == "00001" and len(crashes) < 2:
                crashes.append(dict(trial.hyperparameters.values))
                raise OSError("the machine was tired")
            return super().run_trial(trial)

    oracle = search(
        "random", tmp_path, 3, tuner_class=Crashing, max_retries_per_trial=2
    )
    assert [r["status"] for r in oracle.records] == ["COMPLETED"] * 3
    assert crashes[0] == crashes[1] == oracle.records[1]["values"]


def test_failures_in_a_row_stop_the_search_and_leave_no_lock(tmp_path):
    class Broken(Tuner):
        def run_trial(self, trial):
            raise OSError("no such device")

    with pytest.raises(RuntimeError, match="no such device"):
        search("random", tmp_path, 9, tuner_class=Broken)


def test_a_result_that_comes_twice_counts_once(tmp_path):
    oracle = MAKERS["random"](max_trials=5)
    Tuner(oracle, directory=tmp_path, project_name="run")
    oracle.verbose = 0
    trial = oracle.create_trial("a")
    assert oracle.create_trial("a") is trial
    other = oracle.create_trial("b")
    assert other.trial_id != trial.trial_id
    oracle.update_trial(trial.trial_id, {"val_accuracy": 0.5})
    trial.status = "COMPLETED"
    oracle.end_trial(trial)
    oracle.end_trial(trial)
    assert len(oracle.records) == 1
    oracle.close()
    # The trial of "b" never ended: it is proposed again, the same.
    again = MAKERS["random"](max_trials=5)
    Tuner(again, directory=tmp_path, project_name="run")
    again.verbose = 0
    proposed = again.create_trial("c")
    assert proposed.trial_id == other.trial_id
    assert proposed.hyperparameters.values == other.hyperparameters.values


@both
def test_gaps_that_a_parallel_search_left_are_filled(kind, tmp_path):
    oracle = MAKERS[kind](max_trials=6)
    Tuner(oracle, directory=tmp_path, project_name="run")
    oracle.verbose = 0
    trials = [oracle.create_trial(name) for name in "abcd"]
    for trial in (trials[3], trials[0], trials[2]):
        oracle.update_trial(trial.trial_id, {"val_accuracy": 0.5})
        trial.status = "COMPLETED"
        oracle.end_trial(trial)
    oracle.close()
    resumed = search(kind, tmp_path, 6)
    assert [r["trial"] for r in resumed.records] == [3, 0, 2, 1, 4, 5]
    assert resumed.records[3]["values"] == trials[1].hyperparameters.values


def test_a_minimized_objective(tmp_path):
    class Loss(keras_tuner.Tuner):
        def run_trial(self, trial):
            return {"val_loss": 1 - reward(trial.hyperparameters.values)}

    objective = keras_tuner.Objective("val_loss", "min")
    oracle = search("ppo", tmp_path, 6, tuner_class=Loss, objective=objective)
    losses = [record["score"] for record in oracle.records]
    assert oracle.get_best_trials(1)[0].score == min(losses)
    assert oracle._reward(oracle.records[0]) == -losses[0]


def test_a_hypermodel_reads_the_decisions(tmp_path):
    """The stock tuner with a build function, nothing overridden."""
    import keras
    import numpy as np

    space = SearchSpace(
        [("units", (1, 2, 3)), ("activation", ("relu", "tanh"))]
    )
    built = []

    def build(hp):
        units = hp.Choice("units", [1, 2, 3])
        activation = hp.Choice("activation", ["relu", "tanh"])
        built.append((units, activation))
        model = keras.Sequential(
            [
                keras.Input((2,)),
                keras.layers.Dense(units, activation=activation),
                keras.layers.Dense(1),
            ]
        )
        model.compile("sgd", "mse")
        return model

    oracle = RandomOracle(space, "val_loss", max_trials=3, seed=3)
    tuner = keras_tuner.Tuner(
        oracle, build, directory=tmp_path, project_name="run"
    )
    x = np.zeros((8, 2), "float32")
    tuner.search(x, x[:, :1], validation_data=(x, x[:, :1]), verbose=0)
    assert [
        (r["values"]["units"], r["values"]["activation"])
        for r in oracle.records
    ] == built[-3:]
    assert len(tuner.get_best_models(1)) == 1


SCRIPT = """
    import sys, time
    import keras_tuner
    sys.path.insert(0, {root!r})
    from tests.search.test_oracle import MAKERS, Tuner

    class Slow(Tuner):
        def run_trial(self, trial):
            time.sleep(0.05)
            return super().run_trial(trial)

    oracle = MAKERS[{kind!r}](max_trials=40)
    tuner = Slow(oracle, directory={folder!r}, project_name="run")
    oracle.verbose = 0
    print("ready", flush=True)
    tuner.search()
    print("finished", flush=True)
"""


@both
def test_killed_at_random_moments(kind, tmp_path):
    """SIGKILL, again and again: no trial is lost, none counts twice."""
    code = textwrap.dedent(SCRIPT).format(
        root=os.getcwd(), kind=kind, folder=str(tmp_path / "killed")
    )
    rng = random.Random(4)
    kills = 0
    # JAX starts sooner than TensorFlow.
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    while True:
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        while process.stdout.readline() != "ready\n":
            assert process.poll() is None
        if kills < 2:
            time.sleep(rng.uniform(0.05, 1.0))
            process.send_signal(signal.SIGKILL)
            kills += 1
        rest = process.communicate()[0]
        if process.returncode == 0:
            break
    assert kills == 2 and rest == "finished\n"
    journal = (tmp_path / "killed" / "run" / "trials.jsonl").read_text()
    killed = [json.loads(line) for line in journal.splitlines()]
    assert [record["trial"] for record in killed] == list(range(40))
    whole = code.replace(str(tmp_path / "killed"), str(tmp_path / "whole"))
    subprocess.run([sys.executable, "-c", whole], check=True, env=environment)
    journal = (tmp_path / "whole" / "run" / "trials.jsonl").read_text()
    whole = [json.loads(line) for line in journal.splitlines()]
    for name in ("values", "score", "policy", "log_prob"):
        assert [r.get(name) for r in killed] == [r.get(name) for r in whole]
