"""Children in another process: killed, failed, forgotten."""

import importlib
import importlib.util
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from nasnet_keras import NASNET_A
from nasnet_keras.cells.operations import OPERATIONS
from nasnet_keras.search import Evaluator, Isolated

ROOT = pathlib.Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def a_backend_that_starts_sooner(monkeypatch):
    """Nothing is computed in these processes."""
    if importlib.util.find_spec("jax"):
        monkeypatch.setenv("KERAS_BACKEND", "jax")


class Fake(Evaluator):
    """Stands for an evaluator; it is sent to the other process.

    Args:
        folder: Path, where it counts its children.
        die: How many children are killed by SIGKILL, as the system does when
            memory runs out.
    """

    def __init__(self, folder, die=0):
        super().__init__()
        self.folder = folder
        self.die = die
        self.records = []

    def resume(self, folder, records):
        self.records = records

    def measure(self, genotype, **settings):
        number = len(os.listdir(self.folder))
        (self.folder / f"{number}").touch()
        if number < self.die:
            os.kill(os.getpid(), signal.SIGKILL)
        if settings.get("fail"):
            raise ValueError("this child has no sense")
        return {
            "val_accuracy": 0.5,
            "process": os.getpid(),
            "operations": list(OPERATIONS),
            "curves": [record["curve"] for record in self.records],
        }, [0.5]


def process_of(evaluation):
    return evaluation.measurements["process"]


def test_a_process_serves_some_children(tmp_path):
    isolated = Isolated(Fake(tmp_path), children_per_process=2)
    records = []
    isolated.resume(None, records)
    found = []
    for _ in range(4):
        found.append(isolated(NASNET_A))
        records.append({"curve": [0.1], "score": 0.1})
    isolated.close()
    processes = [process_of(evaluation) for evaluation in found]
    assert os.getpid() not in processes
    assert processes[0] == processes[1] != processes[2] == processes[3]
    # The curves so far are sent with each child.
    curves = [len(e.measurements["curves"]) for e in found]
    assert curves == [0, 1, 2, 3]


def test_a_child_that_was_killed_is_tried_again(tmp_path):
    isolated = Isolated(Fake(tmp_path, die=1))
    assert isolated(NASNET_A).reward == 0.5
    isolated.close()
    assert len(os.listdir(tmp_path)) == 2


def test_killed_twice_it_fails_and_the_next_one_runs(tmp_path):
    isolated = Isolated(Fake(tmp_path, die=2))
    with pytest.raises(RuntimeError, match="killed 2 times"):
        isolated(NASNET_A)
    assert isolated(NASNET_A).reward == 0.5
    isolated.close()


def test_an_error_of_the_child_is_that_of_the_call(tmp_path):
    isolated = Isolated(Fake(tmp_path))
    with pytest.raises(RuntimeError, match="no sense"):
        isolated(NASNET_A, fail=True)
    isolated.close()


SEARCH = """
import pathlib
import sys

from nasnet_keras import NASNET_A
from nasnet_keras.search import Isolated
from tests.search.evaluators.test_isolated import Fake

if __name__ == "__main__":
    isolated = Isolated(Fake(pathlib.Path(sys.argv[1])))
    print(isolated(NASNET_A).measurements["process"], flush=True)
    if "wait" in sys.argv:
        input()
"""


def is_running(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("ends", ["killed", "not closed"])
def test_the_process_ends_with_the_search(tmp_path, ends):
    """An executor's processes outlive a killed parent by default."""
    children = tmp_path / "children"
    children.mkdir()
    script = tmp_path / "search.py"
    script.write_text(SEARCH)
    search = subprocess.Popen(
        [sys.executable, script, children, "wait" * (ends == "killed")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    process = int(search.stdout.readline())
    if ends == "killed":
        assert is_running(process)
        search.kill()
    _, errors = search.communicate(timeout=60)
    assert "Traceback" not in errors
    deadline = time.monotonic() + 10
    while is_running(process) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(process)


OPERATION = """
import nasnet_keras


@nasnet_keras.register_operation("conv_9x9_of_mine")
def conv_9x9(slot):
    return [slot.conv(9), slot.batch_norm()]
"""


def test_operations_of_ones_own_are_there(tmp_path, monkeypatch):
    children = tmp_path / "children"
    children.mkdir()
    (tmp_path / "operations_of_mine.py").write_text(OPERATION)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("operations_of_mine")
    isolated = Isolated(Fake(children))
    try:
        known = isolated(NASNET_A).measurements["operations"]
    finally:
        del OPERATIONS["conv_9x9_of_mine"]
        isolated.close()
    assert "conv_9x9_of_mine" in known


def test_arguments_out_of_range(tmp_path):
    with pytest.raises(ValueError, match="children_per_process=0"):
        Isolated(Fake(tmp_path), children_per_process=0)
