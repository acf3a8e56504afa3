"""Several children at a time: all of them once, none waits for another."""

import concurrent.futures
import contextlib
import importlib.util
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import keras
import keras_tuner
import numpy as np
import pytest

from nasnet_keras import NASNET_A
from nasnet_keras.search import (
    CellTuner,
    Evaluation,
    Evaluator,
    EvaluatorError,
    Isolated,
    NASNetSpace,
    PPOOracle,
    search,
)
from nasnet_keras.search.engines import serving
from nasnet_keras.search.engines.parallel import Task, as_they_end
from nasnet_keras.search.evaluators.evaluator import Judge
from nasnet_keras.search.evaluators.keras_state import read_keras_state

ROOT = pathlib.Path(__file__).resolve().parents[3]
SPACE = NASNetSpace(1, operations=("identity", "max_pool_3x3", "conv_3x3"))


@pytest.fixture(autouse=True)
def a_backend_that_starts_sooner(monkeypatch):
    """Nothing is computed in these processes."""
    if importlib.util.find_spec("jax"):
        state = {**read_keras_state(), "backend": "jax"}
        monkeypatch.setattr(serving, "read_keras_state", lambda: state)
        monkeypatch.setenv("KERAS_BACKEND", "jax")


class Children(Evaluator):
    """Its reward follows from the genotype; each child leaves a file.

    Args:
        folder: Path of an empty folder.
        together: Integer, the children that wait for each other.
        dies: Whether one child is killed in its first attempt.
        later: Whether the best four are judged again.
    """

    def __init__(self, folder, together=1, dies=False, later=False):
        super().__init__()
        self.folder = folder
        self.together = together
        self.dies = dies
        self.later = later

    def measure(self, genotype, **settings):
        (self.folder / f"{os.getpid()}-{time.monotonic_ns()}").touch()
        if self.dies:
            with contextlib.suppress(FileExistsError):
                (self.folder.parent / "killed").touch(exist_ok=False)
                os.kill(os.getpid(), signal.SIGKILL)
        while len(list(self.folder.iterdir())) < self.together:
            time.sleep(0.01)
        if settings.get("fail"):
            raise ValueError("this child has no sense")
        reward = sum(map(ord, repr(genotype))) % 101 / 101
        return {"val_accuracy": reward, "process": os.getpid()}, [reward]

    def later_stages(self, trials):
        if not self.later:
            return []
        return [Judge(4, Children(self.folder), "last")]


def processes(folder):
    return {path.name.split("-")[0] for path in folder.iterdir()}


def test_two_children_wait_for_each_other(tmp_path):
    isolated = Isolated(Children(tmp_path, together=2), workers=2)
    assert isolated.running() == []
    futures = [isolated.submit(NASNET_A) for _ in range(2)]
    # The first one waits for the second.
    while not isolated.running() and not futures[0].done():
        time.sleep(0.001)
    assert len({f.result(60).measurements["process"] for f in futures}) == 2
    isolated.close()


@pytest.mark.parametrize("workers", [1, 3])
def test_as_many_at_a_time_as_there_are_workers(workers):
    first = threading.Barrier(workers)
    fourth_began = threading.Event()

    class Threads(Evaluator):
        now = most = 0
        lock = threading.Lock()

        def submit(self, genotype, settings=None, name=""):
            return pool.submit(self, genotype, **settings or {})

        def measure(self, genotype, number):
            with self.lock:
                self.now += 1
                self.most = max(self.most, self.now)
            if number < workers:
                first.wait(60)
            if number == 3:
                fourth_began.set()
            if number == 0 and workers > 1:
                assert fourth_began.wait(60)
            with self.lock:
                self.now -= 1
            return {"val_accuracy": number}, []

    evaluator = Threads()
    evaluator.workers = workers
    tasks = (Task(number, NASNET_A, {"number": number}) for number in range(6))
    with concurrent.futures.ThreadPoolExecutor(9) as pool:
        ended = [
            (key, future.result().reward)
            for key, future in as_they_end(evaluator, lambda: next(tasks, None))
        ]
    assert evaluator.most == workers
    assert sorted(ended) == [(number, number) for number in range(6)]
    in_order = [key for key, _ in ended] == list(range(6))
    assert in_order == (workers == 1)


@pytest.mark.parametrize(
    "oracle",
    [
        "ppo",
        pytest.param("random", marks=pytest.mark.long),
        pytest.param("evolution", marks=pytest.mark.long),
    ],
)
def test_a_search_with_two_workers(tmp_path, oracle):
    """Each trial once, also the one whose process is killed."""
    children = tmp_path / "children"
    children.mkdir()
    evaluator = Isolated(
        Children(children, together=2, dies=True, later=True), workers=2
    )
    results = search(None, tmp_path / "run", 12, SPACE, oracle, evaluator)
    assert sorted(r["trial"] for r in results.records) == list(range(12))
    assert {r["status"] for r in results.records} == {"COMPLETED"}
    assert len(processes(children)) > 2
    assert len(list(children.iterdir())) == 12 + 1 + 4
    rewards = [r["score"] for r in results.best(4)]
    assert rewards == sorted(rewards, reverse=True)
    lines = (tmp_path / "run" / "finals.jsonl").read_text().splitlines()
    first = [record["trial"] for record in results.by_reward()[:4]]
    judged = [json.loads(line)["trial"] for line in lines if line]
    assert sorted(judged) == sorted(first)


def test_a_child_that_fails_is_one_trial(tmp_path):
    class Space(NASNetSpace):
        def to_settings(self, values):
            return {"fail": "conv" in repr(sorted(values.values(), key=str))}

    children = tmp_path / "children"
    children.mkdir()
    isolated = Isolated(Children(children), workers=2)
    isolated.settings = ("fail",)
    space = Space(1, operations=("identity", "conv_3x3"))
    results = search(None, tmp_path / "run", 6, space, "random", isolated)
    failed = [r for r in results.records if r["status"] == "FAILED"]
    assert len(results.records) == 6 and failed
    assert all("this child has no sense" in r["message"] for r in failed)


class Hopeless(Evaluator):
    def measure(self, genotype):
        raise EvaluatorError("There is no data any more.")


def test_an_error_that_concerns_all_children_stops_the_search(tmp_path):
    evaluator = Isolated(Hopeless(), workers=2)
    with pytest.raises(EvaluatorError, match="There is no data any more"):
        search(None, tmp_path / "run", 4, SPACE, "random", evaluator)
    assert (tmp_path / "run" / "trials.jsonl").read_bytes() == b""


def test_closing_ends_what_runs(tmp_path):
    isolated = Isolated(Children(tmp_path, together=99), workers=2)
    futures = [isolated.submit(NASNET_A) for _ in range(3)]
    while len(list(tmp_path.iterdir())) < 2:
        time.sleep(0.01)
    isolated.close()
    assert all(future.done() for future in futures)
    assert futures[2].cancelled()
    for future in futures[:2]:  # No trial has failed.
        assert isinstance(future.exception(), EvaluatorError)
    for number in processes(tmp_path):
        assert not pathlib.Path("/proc", number).exists()
    # It can be used again.
    isolated.evaluator.together = 1
    assert 0 <= isolated(NASNET_A).reward <= 1
    isolated.close()


SEARCH = """
import pathlib
import sys

from nasnet_keras.search import Isolated, search
from tests.search.engines.test_parallel import SPACE, Children

if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1])
    evaluator = Isolated(Children(folder / "children"), 2, workers=2)
    search(None, folder / "run", 12, SPACE, "ppo", evaluator, batch_size=4)
"""


def test_killed_it_goes_on(tmp_path):
    """Trials that had not ended are run again; those that had are kept."""
    (tmp_path / "children").mkdir()
    (tmp_path / "search.py").write_text(SEARCH)
    journal = tmp_path / "run" / "trials.jsonl"
    command = [sys.executable, tmp_path / "search.py", tmp_path]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    def trials():
        if not journal.is_file():
            return []
        lines = journal.read_bytes().split(b"\n")[:-1]
        return [json.loads(line)["trial"] for line in lines if line]

    for enough in (3, 8):
        process = subprocess.Popen(command, env=environment)
        while len(trials()) < enough:
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
        process.wait()
        kept = trials()
    subprocess.run(command, env=environment, check=True, timeout=120)
    assert trials()[: len(kept)] == kept
    assert sorted(trials()) == list(range(12))


class InOrder(Evaluator):
    """Three children at a time that end in an order which is given.

    Args:
        order: Sequence of numbers of trials.
    """

    workers = 3

    def __init__(self, order):
        super().__init__()
        self.order = list(order)
        self.waiting = {}

    def submit(self, genotype, settings=None, name=""):
        future = concurrent.futures.Future()
        self.waiting[int(name.removeprefix("trial "))] = future, genotype
        if len(self.waiting) == 3:
            self.end_one()
        return future

    def end_one(self, trial=None):
        """Ends the next of those at hand."""
        place = next(n for n in self.order if n in self.waiting)
        self.order.remove(place)
        future, genotype = self.waiting.pop(place)
        reward = sum(map(ord, repr(genotype))) % 101 / 101
        measurements = {"val_accuracy": reward}
        future.set_result(Evaluation(reward, measurements, [reward]))


def search_in_order(folder, order):
    """Returns what was proposed and found, and the weights of the policy."""
    evaluator = InOrder(order)
    oracle = PPOOracle(
        SPACE,
        max_trials=len(order),
        objective=keras_tuner.Objective("reward", "max"),
        batch_size=4,
    )
    oracle.verbose = 0

    def after_trial(trial):
        # The last ones: no further child is begun.
        if len(oracle.trials) == len(order) and evaluator.waiting:
            evaluator.end_one()

    CellTuner(oracle, evaluator, folder, "run", after_trial).search()
    oracle.algorithm.learn()
    keys = "trial", "score", "values", "policy", "log_prob"
    found = [{key: r[key] for key in keys} for r in oracle.records]
    model = oracle.algorithm.learner.controller.model
    policy = map(keras.ops.convert_to_numpy, model.trainable_variables)
    oracle.close()
    return found, list(policy)


def test_the_order_of_the_ends_decides(tmp_path):
    """Equal orders give equal proposals and policies, another one others."""
    order = [2, 0, 1, 5, 4, 3, 6, 9, 8, 7, 11, 10, 13, 12, 14, 15]
    first, policy = search_in_order(tmp_path / "first", order)
    again, same = search_in_order(tmp_path / "again", order)
    assert [record["trial"] for record in first] != sorted(order)
    assert first == again
    for ours, theirs in zip(policy, same, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    other, _ = search_in_order(tmp_path / "other", sorted(order))
    values = {record["trial"]: record["values"] for record in first}
    assert values != {record["trial"]: record["values"] for record in other}
