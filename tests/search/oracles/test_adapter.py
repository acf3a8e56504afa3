"""All oracles in KerasTuner: contract, resuming, failures."""

import dataclasses
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import textwrap
import time

import keras_tuner
import numpy as np
import pytest

from nasnet_keras.search import (
    EvolutionOracle,
    NASNetSpace,
    PPOOracle,
    PredictorOracle,
    RandomOracle,
    ReinforceOracle,
    SearchMismatchError,
    SearchSpace,
    SpaceOracle,
)
from nasnet_keras.search.oracles.journal import parse_lines, to_line
from nasnet_keras.search.policy.settings import SETTINGS

SPACE = NASNetSpace(blocks=2, operations=("identity", "conv_1x1", "conv_3x3"))
QUICK = dataclasses.replace(
    SETTINGS["small"], learning_rate=0.02, batch_size=4, epochs=4
)
POLICY = {"settings": QUICK, "units": 8}
MAKERS = {
    "random": lambda **kw: RandomOracle(SPACE, **kw),
    "ppo": lambda **kw: PPOOracle(SPACE, **POLICY, **kw),
    "reinforce": lambda **kw: ReinforceOracle(SPACE, **POLICY, **kw),
    "evolution": lambda **kw: EvolutionOracle(
        SPACE, population_size=5, sample_size=2, **kw
    ),
    "predictor": lambda **kw: PredictorOracle(
        SPACE, first=6, trees=5, samples=20, mutations=10, **kw
    ),
}
every = pytest.mark.parametrize("kind", MAKERS)


def reward(values):
    """A synthetic reward: the share of one operation."""
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
    try:
        tuner.search()
    finally:
        oracle.close()
    return oracle


def proposals(oracle):
    return [SPACE.to_actions(record["values"]) for record in oracle.records]


def outcome(oracle):
    kept = ("trial", "status", "score", "values", "policy", "log_prob")
    return [{k: r.get(k) for k in kept} for r in oracle.records]


@every
def test_an_ordinary_tuner_searches(kind, tmp_path):
    oracle = search(kind, tmp_path, 12)
    assert [record["trial"] for record in oracle.records] == list(range(12))
    assert {record["status"] for record in oracle.records} == {"COMPLETED"}
    best = oracle.get_best_trials(1)[0]
    assert best.score == max(record["score"] for record in oracle.records)
    journal = tmp_path / "run" / "trials.jsonl"
    assert parse_lines(journal.read_bytes(), journal) == oracle.records


@every
def test_the_seed_decides(kind, tmp_path):
    runs = [
        proposals(search(kind, tmp_path / str(i), 10, seed=seed))
        for i, seed in enumerate((0, 0, 1))
    ]
    assert runs[0] == runs[1] != runs[2]


@every
def test_resumed_equals_uninterrupted(kind, tmp_path):
    whole = search(kind, tmp_path / "whole", 21)
    for trials in (3, 4, 10, 21):  # Between, at and after policy updates.
        parts = search(kind, tmp_path / "parts", trials)
    assert outcome(parts) == outcome(whole)
    if kind in ("ppo", "reinforce"):
        # Without its snapshot the policy is learned again from the journal.
        (tmp_path / "parts" / "run" / "controller.npz").unlink()
        longer = search(kind, tmp_path / "parts", 25)
        assert outcome(longer)[:21] == outcome(whole)
        assert longer.updates == 6
        assert outcome(longer) == outcome(search(kind, tmp_path / "whole", 25))


KNOWN = [(1,) * len(SPACE.sizes), (0,) * len(SPACE.sizes)]


@every
def test_what_is_enqueued_comes_first(kind, tmp_path):
    whole = search(kind, tmp_path / "whole", 9, enqueue=KNOWN)
    assert proposals(whole)[:2] == KNOWN
    assert [r.get("enqueued") for r in whole.records[:3]] == [True, True, None]
    # A resumed search reads the points from its folder.
    search(kind, tmp_path / "parts", 1, enqueue=KNOWN)
    assert outcome(search(kind, tmp_path / "parts", 9)) == outcome(whole)
    with pytest.raises(SearchMismatchError, match="enqueued"):
        search(kind, tmp_path / "parts", 9, enqueue=KNOWN[:1])


def test_what_is_enqueued_must_be_of_the_space(tmp_path):
    with pytest.raises(ValueError, match="options, counted from 0"):
        search("random", tmp_path, 1, enqueue=[(7,) * len(SPACE.sizes)])


@every
def test_a_warm_start(kind, tmp_path):
    earlier = tmp_path / "earlier"
    first = search(kind, earlier, 24, seed=5)
    options = {"warm_start": earlier / "run"}
    warm = search(kind, tmp_path / "warm", 8, **options)
    cold = search(kind, tmp_path / "cold", 8)
    assert warm.earlier == first.records
    assert (proposals(warm) == proposals(cold)) == (kind == "random")
    # It has its own copy of the earlier trials.
    search(kind, tmp_path / "parts", 5, **options)
    shutil.rmtree(earlier)
    assert outcome(search(kind, tmp_path / "parts", 8)) == outcome(warm)


@pytest.mark.parametrize("kind", ["ppo", "evolution", "predictor"])
def test_a_warm_start_is_a_head_start(kind, tmp_path):
    search(kind, tmp_path / "earlier", 60, seed=5)
    options = {"warm_start": tmp_path / "earlier" / "run"}
    cold = search(kind, tmp_path / "cold", 8)
    warm = search(kind, tmp_path / "warm", 8, **options)
    cold, warm = (
        np.mean([record["score"] for record in oracle.records])
        for oracle in (cold, warm)
    )
    assert warm > cold + 0.1


def test_warm_starts_that_cannot_be(tmp_path):
    search("random", tmp_path / "cold", 2)
    with pytest.raises(ValueError, match=r"has no trials\.jsonl"):
        search("random", tmp_path / "new", 2, warm_start=tmp_path)
    assert not (tmp_path / "new" / "run" / "config.json").exists()
    search("random", tmp_path / "other", 3, seed=1)
    with pytest.raises(SearchMismatchError, match="did not start from"):
        search(
            "random",
            tmp_path / "cold",
            2,
            warm_start=tmp_path / "other" / "run",
        )
    with pytest.raises(ValueError, match="evaluator 'A', this one 'B'"):
        search(
            "random",
            tmp_path / "new",
            2,
            context={"evaluator": "B"},
            warm_start=search(
                "random", tmp_path / "a", 2, context={"evaluator": "A"}
            ).folder,
        )
    journal = tmp_path / "other" / "run" / "trials.jsonl"
    line = json.loads(journal.read_text().splitlines()[0])
    del line["crc"]
    journal.write_bytes(to_line({**line, "values": {"an edge": "none"}}))
    with pytest.raises(ValueError, match="another space"):
        search(
            "random",
            tmp_path / "new",
            2,
            warm_start=tmp_path / "other" / "run",
        )


@pytest.mark.parametrize("oracle", [RandomOracle, EvolutionOracle])
def test_a_small_space_is_searched_whole(oracle, tmp_path):
    """A point is repeated only after each was proposed once."""
    space = SearchSpace([(f"{i} operation", ("a", "b")) for i in range(5)])

    class Counter(keras_tuner.Tuner):
        def run_trial(self, trial):
            values = list(trial.hyperparameters.values.values())
            return {"val_accuracy": values.count("a")}

    oracle = oracle(space, max_trials=33)
    oracle.verbose = 0
    Counter(oracle, directory=tmp_path, project_name="run").search()
    points = [space.to_actions(record["values"]) for record in oracle.records]
    assert len(set(points[:32])) == 32 and points[32] in points[:32]


def test_a_damaged_snapshot_is_no_loss(tmp_path, capsys):
    whole = search("ppo", tmp_path / "whole", 14)
    search("ppo", tmp_path / "parts", 9)
    snapshot = tmp_path / "parts" / "run" / "controller.npz"
    snapshot.write_bytes(snapshot.read_bytes()[:100])
    capsys.readouterr()
    assert outcome(search("ppo", tmp_path / "parts", 14)) == outcome(whole)
    errors = capsys.readouterr().err.splitlines()
    assert errors == [
        f"{snapshot} is damaged: the policy is learned anew from trials.jsonl"
    ]


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


@every
def test_another_search_in_the_folder_is_refused(kind, tmp_path):
    search(kind, tmp_path, 3, context={"data": {"sha256": "a"}})
    before = (tmp_path / "run" / "trials.jsonl").read_bytes()
    with pytest.raises(SearchMismatchError) as error:
        search(kind, tmp_path, 9, seed=5, context={"data": {"sha256": "b"}})
    assert 'data.sha256: there "a", now "b"' in str(error.value)
    assert "seed: there 0, now 5" in str(error.value)
    other = "ppo" if kind == "random" else "random"
    with pytest.raises(SearchMismatchError, match="oracle: there"):
        search(other, tmp_path, 9, context={"data": {"sha256": "a"}})
    assert (tmp_path / "run" / "trials.jsonl").read_bytes() == before


# NumPy warns of a metric that is always NaN, which KerasTuner reads.
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
    assert oracle.updates == 2  # twelve trials, the last four not yet learned
    worst = min(
        r["score"] for r in oracle.records[:4] if r["score"] is not None
    )
    learner = oracle.algorithm.learner
    learned = learner.reward_or_worst(oracle.reward(oracle.records[1]))
    assert learned == learner.worst <= worst
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


def test_failures_in_a_row_stop_a_search_until_their_cause_is_gone(tmp_path):
    class Broken(Tuner):
        def run_trial(self, trial):
            raise OSError("no such device")

    for failed in (3, 6):
        with pytest.raises(RuntimeError, match="no such device"):
            search("random", tmp_path, 9, tuner_class=Broken)
        journal = tmp_path / "run" / "trials.jsonl"
        assert len(journal.read_text().splitlines()) == failed
    mended = search("random", tmp_path, 9)
    assert [r["status"] for r in mended.records] == [
        *["FAILED"] * 6,
        *["COMPLETED"] * 3,
    ]


def test_other_cells_of_the_same_decisions_are_another_search(tmp_path):
    decisions = []
    for outputs in ("unused", "all"):
        space = NASNetSpace(2, operations=("identity",), outputs=outputs)
        decisions.append(space.to_dict())
        oracle = RandomOracle(space, max_trials=2)
        oracle.folder = tmp_path / "run"
        if outputs == "unused":
            oracle.restore()
            oracle.close()
    assert decisions[0] == decisions[1]
    with pytest.raises(SearchMismatchError, match="cells: there"):
        oracle.restore()


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


@every
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
    assert oracle.reward(oracle.records[0]) == -losses[0]


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


class SmallestFirst(SpaceOracle):
    """An oracle as a user writes it: candidates and observe."""

    def __init__(self, space, **kwargs):
        super().__init__(space, **kwargs)
        self.best = None

    def candidates(self, number):
        rng = np.random.default_rng([self.seed, number])
        if self.best is not None:
            yield self.best[1], {"again": True}
        while True:
            yield self.space.sample(rng), {}

    def observe(self, record):
        found = self.reward(record), self.space.to_actions(record["values"])
        self.best = max(self.best or found, found)


def test_a_users_own_oracle(tmp_path):
    def run(folder, trials):
        oracle = SmallestFirst(SPACE, max_trials=trials)
        tuner = Tuner(oracle, directory=tmp_path, project_name=folder)
        oracle.verbose = 0
        tuner.search()
        oracle.close()
        return oracle

    whole = run("whole", 6)
    scores = [record["score"] for record in whole.records]
    assert whole.best[0] == max(scores)
    assert len(set(proposals(whole))) == 6  # Known points come last.
    run("parts", 3)
    assert outcome(run("parts", 6)) == outcome(whole)
    assert whole.describe()["oracle"] == "SmallestFirst"


class AlwaysTheSame(SpaceOracle):
    """Sets attributes of an oracle in its constructor."""

    def __init__(self, space, **kwargs):
        super().__init__(space, **kwargs)
        self.repeats = True
        self.enqueued = [KNOWN[0]]

    def candidates(self, number):
        yield KNOWN[1], {}


def test_a_users_oracle_may_repeat_and_enqueue(tmp_path):
    oracle = AlwaysTheSame(SPACE, max_trials=3)
    oracle.verbose = 0
    Tuner(oracle, directory=tmp_path, project_name="run").search()
    assert proposals(oracle) == [KNOWN[0], KNOWN[1], KNOWN[1]]


class Reversed(EvolutionOracle):
    """Overrides a method of an oracle that exists."""

    def reward(self, record):
        reward = super().reward(record)
        return None if reward is None else -reward


def test_methods_of_an_oracle_may_be_overridden():
    oracle = Reversed(SPACE)
    oracle.observe({"values": SPACE.to_values(KNOWN[0]), "score": 0.25})
    assert oracle.population == [(-0.25, None, KNOWN[0])]


BEFORE = pathlib.Path(__file__).parents[2] / "data/before_rooms/ppo_warm_start"
# What the earlier version proposed next: actions, updates, log-probability.
NEXT = [
    ((1, 1, 0, 0, 0, 1, 2, 1, 2, 0, 1, 0, 2, 2, 1, 1, 1, 2, 1, 0), 2, -18.8021),
    ((1, 1, 0, 1, 1, 0, 1, 1, 1, 1, 1, 0, 2, 2, 1, 0, 0, 2, 0, 0), 3, -18.0897),
    ((1, 0, 2, 1, 1, 0, 0, 2, 0, 0, 0, 1, 2, 1, 0, 0, 1, 1, 2, 0), 3, -18.6194),
]


def test_a_folder_of_an_earlier_version_is_resumed(tmp_path):
    """8 trials, one failed, one enqueued, after a warm start from 3."""
    shutil.copytree(BEFORE, tmp_path / "run")
    oracle = PPOOracle(
        SPACE,
        settings=QUICK,
        units=4,
        max_trials=11,
        enqueue=KNOWN[:1],
        context={"data": {"sha256": "a"}},
    )
    tuner = Tuner(oracle, directory=tmp_path, project_name="run")
    oracle.verbose = 0
    tuner.search()
    oracle.close()
    assert (len(oracle.earlier), len(oracle.records)) == (3, 11)
    assert oracle.baseline == pytest.approx(0.275419, abs=1e-5)
    for record, (actions, updates, log_prob) in zip(oracle.records[8:], NEXT):
        assert SPACE.to_actions(record["values"]) == actions
        assert record["policy"] == updates
        assert record["log_prob"] == pytest.approx(log_prob, abs=1e-3)
    # The same text, byte for byte, is what a new search would write.
    text = json.dumps(oracle.describe(), indent=1) + "\n"
    assert text == (tmp_path / "run" / "config.json").read_text()
    old, new = (
        [list(json.loads(line)) for line in path.read_text().splitlines()]
        for path in (
            BEFORE / "trials.jsonl",
            tmp_path / "run" / "trials.jsonl",
        )
    )
    assert new[:8] == old and new[8:] == [["crc", *old[7]]] * 3
    with np.load(tmp_path / "run" / "controller.npz") as file:
        assert file["updates"] == 3
        assert set(file.files) == {
            *("updates", "crc"),
            *(f"arr_{i}" for i in range(len(file.files) - 2)),
        }


SCRIPT = """
    import sys, time
    import keras_tuner
    sys.path.insert(0, {root!r})
    from tests.search.oracles.test_adapter import MAKERS, Tuner

    class Slow(Tuner):
        def run_trial(self, trial):
            time.sleep(0.05)
            return super().run_trial(trial)

        # KerasTuner's own state, which is empty here, is not written in one
        # step: a kill can leave a file that it cannot read (version 1.4.8).
        def save(self):
            pass

        def reload(self):
            self.oracle.reload()

    oracle = MAKERS[{kind!r}](max_trials=40)
    tuner = Slow(oracle, directory={folder!r}, project_name="run")
    oracle.verbose = 0
    print("ready", flush=True)
    tuner.search()
    print("finished", flush=True)
"""


@pytest.mark.long  # The tests of the command kill a search too.
@pytest.mark.parametrize("kind", ["random", "ppo", "predictor"])
def test_killed_at_random_moments(kind, tmp_path):
    """After each SIGKILL no trial is lost and none counts twice."""
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
