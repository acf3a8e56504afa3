"""Children in another process: killed, failed, forgotten."""

import errno
import importlib
import importlib.util
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
from unittest.mock import Mock

import keras
import pytest

from nasnet_keras import NASNET_A
from nasnet_keras.cells.operations import OPERATIONS
from nasnet_keras.search import Evaluator, Isolated, NASNetSpace
from nasnet_keras.search import search as run_search
from nasnet_keras.search.engines import pool, process, serving
from nasnet_keras.search.evaluators.evaluator import EvaluatorError
from nasnet_keras.search.evaluators.keras_state import (
    read_keras_state,
    set_keras_state,
)
from nasnet_keras.search.evaluators.memory import free_memory

ROOT = pathlib.Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def a_backend_that_starts_sooner(monkeypatch):
    """Nothing is computed in these processes."""
    if importlib.util.find_spec("jax"):
        state = {**read_keras_state(), "backend": "jax"}
        monkeypatch.setattr(serving, "read_keras_state", lambda: state)
        monkeypatch.setenv("KERAS_BACKEND", "jax")  # Of the scripts.


class Fake(Evaluator):
    """Stands for an evaluator; it is sent to the other process.

    Args:
        folder: Path, where it counts its children.
        die: How many children are killed by SIGKILL, as the system does when
            memory runs out.
        load: Bytes that are sent with it, as a data set is.
    """

    remembers = "curves"

    def __init__(self, folder, die=0, load=b""):
        super().__init__()
        self.folder = folder
        self.die = die
        self.load = load
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
        if "exit" in settings:
            print("a last word", file=sys.stderr, flush=True)
            os._exit(settings["exit"])
        if "abort" in settings:
            os.abort()
        if "hang" in settings:
            time.sleep(settings["hang"])
        if "megabytes" in settings:
            filled = b"x" * int(1e6 * settings["megabytes"])
            time.sleep(60)
            del filled
        if "exhausted" in settings:
            raise MemoryError("of the child itself")
        return {
            "keras": read_keras_state(),
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


def test_killed_twice_it_fails_and_the_next_one_runs(tmp_path):
    isolated = Isolated(Fake(tmp_path, die=2))
    with pytest.raises(RuntimeError, match="ended 2 times"):
        isolated(NASNET_A)
    assert isolated(NASNET_A).reward == 0.5
    isolated.close()


def test_a_worker_that_is_killed_between_children_costs_no_attempt(tmp_path):
    """The next child may be killed once more, and is tried again."""
    isolated = Isolated(Fake(tmp_path))
    first = process_of(isolated(NASNET_A))
    os.kill(first, signal.SIGKILL)
    os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)
    isolated.evaluator.die = 2  # Of the children so far and the next one.
    assert process_of(isolated(NASNET_A)) != first
    assert len(os.listdir(tmp_path)) == 3
    isolated.close()


def test_a_machine_without_processes_left_stops_the_search(
    tmp_path, monkeypatch
):
    """That is no genotype's fault."""

    def start(process):
        raise BlockingIOError("Resource temporarily unavailable")

    isolated = Isolated(Fake(tmp_path))
    with monkeypatch.context() as patched:
        patched.setattr("multiprocessing.context.SpawnProcess.start", start)
        with pytest.raises(EvaluatorError, match="No process can be started"):
            isolated(NASNET_A)
    assert isolated(NASNET_A).reward == 0.5
    isolated.close()


def test_of_a_crash_it_reports_signal_or_status_and_errors(tmp_path, capfd):
    isolated = Isolated(Fake(tmp_path))
    with pytest.raises(RuntimeError) as error:
        isolated(NASNET_A, abort=True)  # As a library does.
    assert "ended 2 times. By SIGABRT (exit code -6)." in str(error.value)
    assert "memory" not in str(error.value)
    assert "Fatal Python error: Aborted" in str(error.value)
    assert "in measure" in str(error.value)
    with pytest.raises(RuntimeError) as error:
        isolated(NASNET_A, exit=3)
    assert "ended 2 times. It ended with exit code 3." in str(error.value)
    assert str(error.value).endswith("\na last word\n(worker 0)")
    assert "a last word" in capfd.readouterr().err  # And on our own.
    assert len(os.listdir(tmp_path)) == 4


def test_a_child_that_hangs_is_ended(tmp_path):
    """It is tried again, then its trial fails; the next one is not late."""
    isolated = Isolated(Fake(tmp_path), timeout=5)
    with pytest.raises(RuntimeError, match=r"ended 2 times. It took more than"):
        isolated(NASNET_A, hang=600)
    assert isolated(NASNET_A, hang=0.1).reward == 0.5
    isolated.close()
    assert len(os.listdir(tmp_path)) == 3


@pytest.mark.long
def test_a_process_over_its_memory_is_ended(tmp_path):
    isolated = Isolated(Fake(tmp_path), memory=2)
    with pytest.raises(RuntimeError, match=r"used 2\.\d GB .* limit is 2 GB"):
        isolated(NASNET_A, megabytes=2000)
    assert isolated(NASNET_A).reward == 0.5
    isolated.close()


def test_a_memory_error_is_the_childs_own(tmp_path):
    """Python's error: the process lives on, the trial fails."""
    isolated = Isolated(Fake(tmp_path))
    with pytest.raises(RuntimeError, match="MemoryError: of the child itself"):
        isolated(NASNET_A, exhausted=True)
    isolated.close()
    assert len(os.listdir(tmp_path)) == 1


def test_each_worker_has_a_log(tmp_path):
    """A child that was killed is tried again; of a failed one the message
    says where to look."""
    children = tmp_path / "children"
    children.mkdir()
    isolated = Isolated(Fake(children, die=1))
    isolated.resume(tmp_path, [])
    assert isolated.submit(NASNET_A, {}, "trial 7").result().reward == 0.5
    with pytest.raises(RuntimeError, match=r"worker 0: see workers/0\.jsonl"):
        isolated.submit(NASNET_A, {"fail": True}, "trial 8").result()
    isolated.close()
    lines = (tmp_path / "workers" / "0.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    assert [(e["event"], e.get("name")) for e in events] == [
        ("started", None),
        ("begun", "trial 7"),
        ("killed", "trial 7"),
        ("started", None),
        ("begun", "trial 7"),
        ("ended", "trial 7"),
        ("begun", "trial 8"),
        ("failed", "trial 8"),
    ]
    assert "SIGKILL" in events[2]["message"]
    assert events[5]["megabytes"] > 50 and events[5]["seconds"] >= 0
    assert "no sense" in events[7]["message"]


class Crash:
    """Ends the process that unpickles it, in its first second.

    Args:
        function: What it calls there.
        arguments: Tuple, its arguments.
    """

    def __init__(self, function, *arguments):
        self.called = (function, arguments)

    def __reduce__(self):
        return self.called


LOAD = os.urandom(30_000_000)  # A pipe holds 64 kB.


@pytest.mark.parametrize(
    "crash, named",
    [
        (Crash(signal.raise_signal, signal.SIGKILL), "ended 2 times. By SIGK"),
        (Crash(os._exit, 3), "ended with exit code 3 before"),
        (Crash(int, "x"), r"(?s)cannot be rebuilt.*invalid literal for int"),
    ],
)
def test_a_process_that_ends_in_its_first_second(tmp_path, crash, named):
    evaluator = Fake(tmp_path, load=LOAD)
    evaluator.crash = crash
    isolated = Isolated(evaluator)
    with pytest.raises(RuntimeError, match=named) as error:
        isolated(NASNET_A)
    by_signal = "ended 2 times" in str(error.value)
    assert isinstance(error.value, EvaluatorError) != by_signal
    assert not os.listdir(tmp_path)


class Hopeless(Evaluator):
    def measure(self, genotype):
        raise EvaluatorError("There is no data any more.")


def test_an_error_that_concerns_all_children_stops_the_search(tmp_path):
    """As it does in the search's own process; no trial counts as failed."""
    space = NASNetSpace(1, operations=("identity", "max_pool_3x3"))
    for evaluator in (Hopeless(), Isolated(Hopeless())):
        folder = tmp_path / type(evaluator).__name__
        with pytest.raises(EvaluatorError, match="There is no data any more"):
            run_search(None, folder, 3, space, "random", evaluator)
        assert (folder / "trials.jsonl").read_bytes() == b""


def test_a_full_temporary_folder_stops_the_search(tmp_path, monkeypatch):
    """It is no fault of the children: none counts as failed."""
    space = NASNetSpace(1, operations=("identity", "max_pool_3x3"))
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    monkeypatch.setattr(process.pickle, "dump", Mock(side_effect=full))
    monkeypatch.setattr(pool, "_check_can_be_sent", lambda evaluator: None)
    evaluator = Isolated(Hopeless())
    with pytest.raises(EvaluatorError, match="TMPDIR"):
        run_search(None, tmp_path / "run", 3, space, "random", evaluator)
    assert (tmp_path / "run" / "trials.jsonl").read_bytes() == b""


def test_an_evaluator_that_cannot_be_pickled_is_refused(tmp_path):
    evaluator = Fake(tmp_path)
    evaluator.function = lambda: 1
    with pytest.raises(ValueError, match="`evaluator` must be one that can be"):
        Isolated(evaluator)


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
from tests.search.engines.test_local import Fake

if __name__ == "__main__":
    isolated = Isolated(Fake(pathlib.Path(sys.argv[1])))
    print(isolated(NASNET_A).measurements["process"], flush=True)
    if "wait" in sys.argv:
        input()
"""


def run(*words):
    """Runs Python on a person's script; returns the completed process."""
    return subprocess.run(
        [sys.executable, *words],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )


WITHOUT_GUARD = """
import pathlib
from nasnet_keras.search import Isolated, NASNetSpace, search
from tests.search.engines.test_local import Fake

FOLDER = pathlib.Path(__file__).parent
(FOLDER / "children").mkdir(exist_ok=True)
isolated = Isolated(Fake(FOLDER / "children"))
search(None, FOLDER / "run", 5, NASNetSpace(1), "random", isolated)
"""


def test_a_script_without_guard_is_said_to_be_one(tmp_path):
    """The search stops at once; no trial counts as failed."""
    (tmp_path / "mine.py").write_text(WITHOUT_GUARD)
    result = run(tmp_path / "mine.py")
    assert result.returncode == 1
    last = result.stderr.split("EvaluatorError: ")[-1]
    assert last.startswith("The process of the children ended with exit code")
    assert 'put its work under `if __name__ == "__main__":`' in last
    assert "memory" not in last
    assert (tmp_path / "run" / "trials.jsonl").read_text() == ""


OF_A_SCRIPT = """
import pathlib, tempfile
from nasnet_keras import NASNET_A
from nasnet_keras.search import Isolated
from tests.search.engines.test_local import Fake

class Mine(Fake):
    pass

if __name__ == "__main__":
    isolated = Isolated(Mine(pathlib.Path(tempfile.mkdtemp())))
    print(isolated(NASNET_A).reward)
"""


@pytest.mark.long
def test_an_evaluator_of_a_script_without_a_file():
    result = run("-c", OF_A_SCRIPT)
    assert "EvaluatorError: The evaluator cannot be rebuilt" in result.stderr
    assert "Can't get attribute 'Mine'" in result.stderr
    assert "memory" not in result.stderr


@pytest.mark.long
def test_an_evaluator_of_a_script_in_a_file(tmp_path):
    (tmp_path / "mine.py").write_text(OF_A_SCRIPT)
    assert run(tmp_path / "mine.py").stdout == "0.5\n"


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


@pytest.fixture
def unusual_keras():
    """Keras with another configuration, as a script may set it."""
    before = read_keras_state()
    set_keras_state(
        {
            **before,
            "floatx": "float16",
            "epsilon": 1e-5,
            "image_data_format": "channels_first",
            "interactive_logging": False,
            "flash_attention": False,
        }
    )
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield read_keras_state()
    set_keras_state(before)


def test_the_process_has_the_configuration_of_keras(
    tmp_path, unusual_keras, monkeypatch
):
    """Whatever the environment says: a script may set another backend.

    A part of it is that of a thread; processes are started in other ones.
    """

    def state():
        return {**read_keras_state(), "backend": "jax"}

    monkeypatch.setattr(serving, "read_keras_state", state)
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    isolated = Isolated(Fake(tmp_path))
    there = isolated.submit(NASNET_A).result().measurements["keras"]
    isolated.close()
    assert there == {**unusual_keras, "backend": "jax"}
    assert there["dtype_policy"] == "mixed_bfloat16"


def test_released_memory_leaves_the_configuration(unusual_keras):
    free_memory()
    assert read_keras_state() == unusual_keras
    policies = keras.dtype_policies.DTypePolicyMap("mixed_float16")
    policies["a/b"] = keras.DTypePolicy("float32")
    keras.config.set_dtype_policy(policies)
    free_memory()
    assert keras.config.dtype_policy()["a/b"].name == "float32"
    assert keras.config.dtype_policy()["a/c"].name == "mixed_float16"


def test_released_memory_takes_no_other_backend():
    """TensorFlow takes seconds and hundreds of megabytes to import."""
    pytest.importorskip("jax")
    script = (
        "import sys; from nasnet_keras.search.evaluators.memory import *; "
        "free_memory(); sys.exit('tensorflow' in sys.modules)"
    )
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    subprocess.run([sys.executable, "-c", script], env=environment, check=True)
