"""Children on a Ray cluster of two actors: killed, failed, hanging."""

import contextlib
import importlib
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
from unittest.mock import Mock

import psutil
import pytest

from nasnet_keras import NASNET_A
from nasnet_keras.search import Evaluator, NASNetSpace, OnRay, search
from nasnet_keras.search.engines import on_ray
from nasnet_keras.search.engines.on_ray import connect, room_for
from nasnet_keras.search.evaluators.evaluator import EvaluatorError, Judge

SPACE = NASNetSpace(1, operations=("identity", "max_pool_3x3", "conv_3x3"))

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is an extra"
)


class Children(Evaluator):
    """Its reward follows from the genotype; each child leaves a file."""

    def __init__(self, folder, later=False):
        super().__init__()
        self.folder = folder
        self.later = later

    def measure(self, genotype, **settings):
        name = f"{os.getpid()}-{time.monotonic_ns()}"
        (self.folder / name).touch()
        if "kill" in settings:
            os.kill(os.getpid(), signal.SIGKILL)
        if "hang" in settings:
            time.sleep(600)
        time.sleep(settings.get("slow", 0))
        if "fail" in settings:
            raise MemoryError("of the child itself")
        reward = sum(map(ord, repr(genotype))) % 101 / 101
        return {"val_accuracy": reward, "process": os.getpid()}, [reward]

    def later_stages(self, trials):
        return [Judge(4, Children(self.folder), "last")] if self.later else []


class Missing:
    """Is made by a function that only this process has."""

    def __reduce__(self):
        return importlib.import_module, ("no_such_module",)


class Hopeless(Children):
    def measure(self, genotype):
        raise EvaluatorError("no genotype can be evaluated")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Two cores; nothing is written outside of temporary folders."""
    import ray

    home = os.environ["HOME"]
    os.environ["HOME"] = str(tmp_path_factory.mktemp("home"))
    connect(
        None,
        num_cpus=2,
        object_store_memory=80_000_000,
        _temp_dir=str(tmp_path_factory.mktemp("r")),
    )
    yield ray
    ray.shutdown()
    os.environ["HOME"] = home


@pytest.fixture
def children(tmp_path):
    folder = tmp_path / "children"
    folder.mkdir()
    return folder


def processes(folder):
    return {path.name.split("-")[0] for path in folder.iterdir()}


def test_a_search_on_two_actors(cluster, children, tmp_path):
    """With a later stage, whose actors need the room of those of the trials;
    each child once; actors are replaced."""
    engine = OnRay(Children(children, later=True), children_per_process=4)
    assert engine.workers == 2
    results = search(None, tmp_path / "run", 10, SPACE, "ppo", engine)
    assert sorted(r["trial"] for r in results.records) == list(range(10))
    assert len(results.ranking) == 4
    assert len(list(children.iterdir())) == 14
    assert len(processes(children)) >= 5
    logs = sorted(p.name for p in (tmp_path / "run" / "workers").iterdir())
    assert logs == ["0.jsonl", "1.jsonl"]


@pytest.mark.long
def test_actors_without_a_child_make_room(cluster, children, monkeypatch):
    """Three places and two cores: a place that waits gets one of them."""
    monkeypatch.setattr(on_ray, "LOOK_SECONDS", 0.5)
    engine = OnRay(Children(children), workers=3)
    futures = [engine.submit(NASNET_A) for _ in range(3)]
    assert all(future.result().reward >= 0 for future in futures)
    engine.close()
    assert len(processes(children)) >= 2


@pytest.mark.long
def test_an_actor_does_not_wait_for_ever(cluster, children, monkeypatch):
    """All cores are taken by another one; afterwards the engine goes on."""
    monkeypatch.setattr(on_ray, "LOOK_SECONDS", 0.5)
    monkeypatch.setattr(on_ray, "PATIENCE", 1)
    engine = OnRay(Children(children), workers=1, cpus=2, start_timeout=3)
    other = OnRay(Children(children), workers=1, cpus=1)
    assert 0 <= other(NASNET_A).reward <= 1
    with pytest.raises(EvaluatorError, match=r"waited for 3 s for 2 CPUs"):
        engine(NASNET_A)
    other.close()
    engine.start_timeout = None
    assert 0 <= engine(NASNET_A).reward <= 1
    engine.close()


def hang_the_second_time(folder):
    number = len(list(folder.glob("made*")))
    (folder / f"made{number}").touch()
    time.sleep(600 * (number == 1))


class HangsOnce:
    """The second process that gets it waits, as for a network drive."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return hang_the_second_time, (self.folder,)


@pytest.mark.long
def test_an_actor_that_does_not_start_is_replaced(
    cluster, children, tmp_path, capfd
):
    """While another child runs; it is no attempt of the child."""
    evaluator = Children(children)
    evaluator.part = HangsOnce(tmp_path)
    engine = OnRay(evaluator, workers=2, start_timeout=30)
    long = engine.submit(NASNET_A, {"slow": 90})
    while not engine.running():
        time.sleep(0.1)
    assert 0 <= engine.submit(NASNET_A).result().reward <= 1
    assert "Another one is started" in capfd.readouterr().err
    assert len(list(tmp_path.glob("made*"))) == 3
    assert not long.done() and 0 <= long.result().reward <= 1
    engine.close()


def test_a_lost_connection_stops_the_search(cluster, children, monkeypatch):
    """No trial has failed, and Ray starts no cluster of its own."""
    engine = OnRay(Children(children), workers=1)

    def lost(*args, **kwargs):
        raise ConnectionError("Client is shutting down.")

    with monkeypatch.context() as patched:
        patched.setattr("ray.get", lost)
        with pytest.raises(EvaluatorError, match="Client is shutting down"):
            engine(NASNET_A)
    with monkeypatch.context() as patched:
        patched.setattr("ray.is_initialized", lambda: False)
        with pytest.raises(EvaluatorError, match="lost: it was shut down"):
            engine(NASNET_A)
    assert 0 <= engine(NASNET_A).reward <= 1
    engine.close()


@pytest.mark.long
def test_dead_failed_and_hanging_children(cluster, children):
    engine = OnRay(Children(children), workers=1, timeout=5)
    with pytest.raises(RuntimeError, match=r"ended 2 times(.|\n)*died"):
        engine(NASNET_A, kill=True)
    with pytest.raises(RuntimeError, match="MemoryError: of the child itself"):
        engine(NASNET_A, fail=True)
    with pytest.raises(RuntimeError, match=r"took more than 5 s"):
        engine(NASNET_A, hang=True)
    assert 0 <= engine(NASNET_A).reward <= 1
    engine.close()
    assert len(list(children.iterdir())) == 6


def actors_of(process):
    """The processes of children below a process."""
    found = []
    for child in psutil.Process(process.pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if "ray::_Served" in " ".join(child.cmdline()):
                found.append(child)
    return found


@pytest.mark.long
def test_real_children_of_the_command(tmp_path):
    """An actor is killed in mid-trial, then the driver; it goes on."""
    run = tmp_path / "run"
    command = [sys.executable, "-m", "nasnet_keras.cli.main", "search"]
    options = (
        "--data digits --images 300 --image-size 8 --blocks 1 --filters 2 "
        "--oracle random --trials 8 --steps 60 --no-compare --engine ray "
        "--workers 2 --cpus-per-trial 0.5"
    )
    command += [*options.split(), "--directory", str(run)]
    environment = {**os.environ, "HOME": str(tmp_path)}

    def events():
        lines = [
            line
            for path in run.glob("workers/*.jsonl")
            for line in path.read_text().splitlines()
        ]
        return [json.loads(line) for line in lines]

    def until(condition, process):
        while not condition():
            assert process.poll() is None
            time.sleep(0.1)

    def has(event, number=1):
        found = [e for e in events() if e["event"] == event and "name" in e]
        return len(found) >= number

    process = subprocess.Popen(command, env=environment)
    try:
        until(lambda: has("begun") and actors_of(process), process)
        actors_of(process)[0].kill()
        until(lambda: has("killed") and has("ended", 3), process)
    finally:
        process.kill()
        process.wait()
    before = (run / "trials.jsonl").read_text()
    subprocess.run(command, env=environment, check=True, timeout=600)
    after = (run / "trials.jsonl").read_text()
    assert after.startswith(before)
    records = [json.loads(line) for line in after.splitlines()]
    assert sorted(r["trial"] for r in records) == list(range(8))
    assert {r["status"] for r in records} == {"COMPLETED"}


def test_what_stops_a_search(cluster, children):
    engine = OnRay(Hopeless(children), workers=1)
    with pytest.raises(EvaluatorError, match="no genotype can be evaluated"):
        engine(NASNET_A)
    engine.close()


@pytest.mark.long
def test_an_evaluator_that_cannot_be_rebuilt(cluster, children):
    evaluator = Children(children)
    evaluator.part = Missing()
    engine = OnRay(evaluator, workers=1)
    with pytest.raises(EvaluatorError, match=r"(?s)All nodes.*no_such_module"):
        engine(NASNET_A)
    engine.close()


def test_a_running_cluster_is_not_joined_unasked(monkeypatch):
    """Ray's own default takes the one of `RAY_ADDRESS`."""
    init = Mock()
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.setattr("ray.init", init)
    connect(None, num_cpus=1)
    assert init.call_args.args == ("local",)
    connect("auto")
    assert init.call_args.args == ("auto",)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"ray://127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(ValueError, match=r"`address` must be.*refused"):
            connect(address)
    assert init.call_count == 2


def test_room_is_that_of_single_nodes(monkeypatch):
    """Four nodes of six cores have no room for a child of 4 between them."""
    node = {"Alive": True, "Resources": {"CPU": 6.0, "GPU": 1.0}}
    dead = {**node, "Alive": False}
    monkeypatch.setattr("ray.nodes", lambda: [node] * 4 + [dead])
    assert room_for(4, 0) == 4
    assert room_for(1, 0.5) == 8
    assert room_for(3, 0.5) == 8
    with pytest.raises(ValueError, match="6 CPUs and 1 GPUs"):
        room_for(7, 0)


def test_a_cluster_without_room_is_refused(cluster, children):
    with pytest.raises(ValueError, match=r"gpus=0.5; the nodes have 2 CPUs"):
        OnRay(Children(children), gpus=0.5)
    with pytest.raises(ValueError, match=r"cpus=3, gpus=0; the nodes"):
        OnRay(Children(children), cpus=3)


def test_no_other_machine_reaches_a_cluster_of_its_own(cluster):
    assert cluster.nodes()[0]["NodeManagerAddress"] == "127.0.0.1"
    ours = {p.pid for p in psutil.Process().children(recursive=True)}
    open_at = {
        connection.laddr.ip
        for connection in psutil.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN and connection.pid in ours
    }
    assert open_at and open_at <= {"127.0.0.1", "::ffff:127.0.0.1", "::1"}
