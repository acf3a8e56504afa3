"""KerasTuner's chief and workers: real processes, killed for good."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import pytest

from nasnet_keras.search import NASNetSpace, RandomOracle, open_search
from nasnet_keras.search.oracles.leases import Leases

ROOT = pathlib.Path(__file__).resolve().parents[3]
SPACE = NASNetSpace(1, operations=("identity", "max_pool_3x3", "conv_3x3"))
TRIALS = 12

# A worker whose name is in the file `hangs` stops for good in its next child.
SCRIPT = """
import os, pathlib, sys, time
import numpy as np
from nasnet_keras.search import (
    Evaluator,
    EvaluatorError,
    NASNetSpace,
    search,
)
from nasnet_keras.search.engines import chief

chief.LEASE_SECONDS, chief.IDLE_SECONDS = 2.0, 0.1
FOLDER, ME = pathlib.Path(sys.argv[1]), os.environ["KERASTUNER_TUNER_ID"]


class Children(Evaluator):
    def measure(self, genotype, **settings):
        name = f"{ME}-{time.monotonic_ns()}"
        (FOLDER / "children" / name).touch()
        time.sleep(0.1)
        while (FOLDER / f"{ME}-waits").exists():
            time.sleep(0.05)
        if (FOLDER / "fail").exists():
            raise ValueError("this child has no sense")
        if (FOLDER / "hopeless").exists():
            raise EvaluatorError("the data are gone")
        reward = sum(map(ord, repr(genotype))) % 101 / 101
        exact = np.float64(1 / 3)  # More digits than KerasTuner sends.
        return {"val_accuracy": reward, "exact": exact}, [reward / 2, reward]

    def describe(self):
        recipe = "other" if ME == "stranger" else "ours"
        return {**super().describe(), "recipe": recipe}


SPACE = NASNetSpace(1, operations=("identity", "max_pool_3x3", "conv_3x3"))
SPACE = SPACE.with_settings(learning_rate=(0.1, 0.05))
Children.settings = ("learning_rate",)
found = search(None, FOLDER / "run", 12, SPACE, "random", Children())
print("results", None if found is None else len(found.records))
"""


class Cluster:
    """A chief and workers; each is a process of the same script."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "children").mkdir()
        (folder / "script.py").write_text(SCRIPT)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.processes = {}

    def start(self, *names):
        for name in names:
            environment = {
                **os.environ,
                "KERASTUNER_ORACLE_IP": "127.0.0.1",
                "KERASTUNER_ORACLE_PORT": str(self.port),
                "KERASTUNER_TUNER_ID": name,
                "KERAS_BACKEND": "jax",
            }
            with (self.folder / f"{name}.log").open("a") as log:
                self.processes[name] = subprocess.Popen(
                    [sys.executable, "script.py", str(self.folder)],
                    cwd=self.folder,
                    env=environment,
                    stdout=log,
                    stderr=log,
                )

    def kill(self, name):
        process = self.processes.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def wait(self):
        """Waits for all; returns their exit statuses and last lines."""
        found = {}
        for name, process in self.processes.items():
            status = process.wait(120)
            found[name] = status, self.log(name).splitlines()[-1]
        return found

    def children(self, name=""):
        return list((self.folder / "children").glob(f"{name}*"))

    def until(self, condition):
        deadline = time.monotonic() + 120
        while not condition():
            assert time.monotonic() < deadline, "it takes too long"
            for process in self.processes.values():
                assert process.poll() in (None, 0)
            time.sleep(0.05)

    def log(self, name):
        return (self.folder / f"{name}.log").read_text()

    def records(self):
        lines = (self.folder / "run" / "trials.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]


@pytest.fixture
def cluster(tmp_path):
    made = Cluster(tmp_path)
    yield made
    for process in made.processes.values():
        process.kill()
        process.wait()


def check_all_ended_once(cluster):
    numbers = sorted(record["trial"] for record in cluster.records())
    assert numbers == list(range(TRIALS))


def test_a_worker_that_is_killed_for_good(cluster):
    """It holds a trial then: another worker gets it, and the search ends."""
    (cluster.folder / "one-waits").touch()
    cluster.start("chief", "one", "two")
    cluster.until(lambda: cluster.children("one") and cluster.children("two"))
    cluster.kill("one")
    found = cluster.wait()
    assert found["chief"] == (0, f"results {TRIALS}")
    assert found["two"] == (0, "results None")
    check_all_ended_once(cluster)
    assert len(cluster.children()) == TRIALS + 1
    space = SPACE.with_settings(learning_rate=(0.1, 0.05))
    results = open_search(cluster.folder / "run", space)
    record = results.records[0]
    assert record["metrics"]["exact"] == 1 / 3
    assert record["curve"][1] == record["score"]


def test_a_chief_that_is_killed_and_started_again(cluster):
    """Its workers wait for it; what had ended is not evaluated again."""
    cluster.start("chief", "one")
    cluster.until(lambda: len(cluster.children()) >= 4)
    cluster.kill("chief")
    before = cluster.records()
    cluster.start("chief")
    found = cluster.wait()
    assert found["chief"] == (0, f"results {TRIALS}")
    check_all_ended_once(cluster)
    assert cluster.records()[: len(before)] == before
    assert len(cluster.children()) <= TRIALS + 1


@pytest.mark.long
def test_failures_in_a_row_stop_chief_and_workers(cluster):
    """The message names the log of the worker."""
    (cluster.folder / "fail").touch()
    cluster.start("chief", "one")
    found = cluster.wait()
    assert found["chief"][0] == found["one"][0] == 1
    log = cluster.log("chief")
    assert "3 trials in a row failed" in log
    assert "this child has no sense" in log
    one = cluster.log("one")
    assert "The search has stopped: 3 trials in a row failed" in one
    assert [r["status"] for r in cluster.records()] == ["FAILED"] * 3
    lines = (cluster.folder / "run" / "workers" / "one.jsonl").read_text()
    events = [json.loads(line)["event"] for line in lines.splitlines()]
    assert events == ["begun", "failed"] * 3
    message = cluster.records()[0]["message"]
    assert message.endswith("(worker one: see workers/one.jsonl)")


@pytest.mark.long
def test_what_stops_a_search_stops_all(cluster):
    """No trial has failed then."""
    (cluster.folder / "hopeless").touch()
    cluster.start("chief", "one")
    found = cluster.wait()
    assert found["chief"][0] == found["one"][0] == 1
    for name in ("chief", "one"):
        assert "the data are gone" in cluster.log(name).splitlines()[-1]
    assert cluster.records() == []


@pytest.mark.long
def test_a_worker_of_another_search_is_refused(cluster):
    """And so is a second chief."""
    cluster.start("chief")
    cluster.until((cluster.folder / "run" / "config.json").exists)
    cluster.start("stranger", "chief2")
    for name in ("stranger", "chief2"):
        assert cluster.processes.pop(name).wait(120) == 1
    log = cluster.log("stranger")
    assert "The chief does another search" in log
    assert "Another process" in cluster.log("chief2")


@pytest.mark.long
def test_a_worker_that_is_started_again_is_another_one(cluster):
    """Its trial may be what kills it: it is lost, and counts as lost."""
    (cluster.folder / "one-waits").touch()
    cluster.start("chief", "one")
    for children in (1, 2):
        cluster.until(lambda n=children: len(cluster.children()) >= n)
        cluster.kill("one")
        cluster.start("one")
    cluster.until(lambda: len(cluster.children()) >= 3)
    (cluster.folder / "one-waits").unlink()
    found = cluster.wait()
    assert found["chief"] == (0, f"results {TRIALS}")
    check_all_ended_once(cluster)
    lost = [r for r in cluster.records() if r["status"] == "FAILED"]
    assert [record["trial"] for record in lost] == [0]
    assert "was lost 2 times" in lost[0]["message"]
    assert lost[0]["retries"] == 1


def make_oracle(folder, clock):
    oracle = RandomOracle(SPACE, "val_accuracy", max_trials=3)
    oracle.verbose = 0
    oracle.leases = Leases(10, lambda: clock[0])
    oracle.folder = folder
    return oracle


def end(oracle, trial):
    oracle.update_trial(trial.trial_id, {"val_accuracy": 0.5})
    trial.status = "COMPLETED"
    oracle.end_trial(trial)


def test_the_trial_of_a_lost_tuner_goes_to_another(tmp_path):
    clock = [0.0]
    oracle = make_oracle(tmp_path / "run", clock)
    lost, kept = oracle.create_trial("lost"), oracle.create_trial("kept")
    for _ in range(3):
        clock[0] += 6
        oracle.leases.renew("kept")
    third = oracle.create_trial("third")
    assert third.trial_id == lost.trial_id
    assert third.hyperparameters.values == lost.hyperparameters.values
    assert oracle.create_trial("kept") is kept
    # It was not dead: the first result counts, the second does not.
    end(oracle, lost)
    end(oracle, kept)
    end(oracle, third)
    last = oracle.create_trial("third")
    waiting = oracle.create_trial("kept")
    assert (last.trial_id, waiting.status) == ("00002", "IDLE")
    end(oracle, last)
    assert oracle.create_trial("kept").status == "STOPPED"
    assert oracle.create_trial("third").status == "STOPPED"
    assert oracle.finished and not oracle.tuner_ids
    assert [r["trial"] for r in oracle.records] == [0, 1, 2]
    oracle.close()


def test_a_trial_that_loses_its_tuners_fails(tmp_path):
    clock = [0.0]
    oracle = make_oracle(tmp_path / "run", clock)
    for name in ("first", "second"):
        assert oracle.create_trial(name).trial_id == "00000"
        clock[0] += 11
    assert oracle.create_trial("third").trial_id == "00001"
    (record,) = oracle.records
    assert record["status"] == "FAILED" and "second" in record["message"]
    oracle.close()


def test_two_are_lost_while_the_disk_is_full(tmp_path, monkeypatch):
    """Nobody waits for them, and both trials are given to others."""
    clock = [0.0]
    oracle = make_oracle(tmp_path / "run", clock)
    names = [oracle.create_trial(name).trial_id for name in ("a", "b")]
    oracle._losses.update(names)  # Each was lost before.
    clock[0] += 11

    def full(record):
        raise OSError("No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(oracle._ledger, "append", full)
        with pytest.raises(OSError, match="No space"):
            oracle.take_back()
    assert not oracle.tuner_ids and not oracle.records
    again = [oracle.create_trial(name) for name in ("c", "d")]
    assert sorted(trial.trial_id for trial in again) == sorted(names)
    assert {trial.status for trial in again} == {"RUNNING"}
    for trial in again:
        end(oracle, trial)
    assert [r["status"] for r in oracle.records] == ["COMPLETED"] * 2
    oracle.close()
