"""Children on a Ray cluster, under our own oracle and journal.

Ray Core alone: an actor evaluates children and is replaced after some of them.
What Ray loses, a node or a process, costs one attempt of one child.
"""

from __future__ import annotations

import contextlib
import math
import os
import pickle
import socket
import threading
import traceback
from typing import Any

from nasnet_keras import checks
from nasnet_keras.runs.notices import notice
from nasnet_keras.runs.optional import require
from nasnet_keras.search.engines.computing import (
    GPU_PART,
    Share,
    usable_gpus,
)
from nasnet_keras.search.engines.pool import KilledError, Pool
from nasnet_keras.search.engines.serving import Answer, Server
from nasnet_keras.search.evaluators.evaluator import Evaluator, EvaluatorError

REASON_LINES = 12  # Of the first and of the last lines of Ray's text.
LOOK_SECONDS = 5.0
PATIENCE = 120.0  # Seconds for an actor to start, before a line says so.


class OnRay(Pool):
    """Runs another evaluator in actors of a Ray cluster.

    The oracle, the journal and the costs stay here, in the driver: start it
    again, on any machine that sees the folder, and the search goes on. A child
    whose actor dies is tried once more, see `Isolated`. All nodes need this
    package and the modules of the evaluator.

    Args:
        evaluator: `Evaluator`, see `Isolated`.
        address: String, of a cluster, such as `"auto"` or
            `"ray://host:10001"`; `None` starts one on this machine that no
            other can reach.
        workers: Integer, the children at a time; `None` takes as many as the
            cluster has room for now. A cluster that grows on demand has room
            for more: say how many.
        children_per_process: Integer, the children of an actor.
        cpus: Float, the cores of a child.
        gpus: Float, the GPUs of a child; a fraction shares one, with its
            memory.
        timeout: Float, the seconds that a child of the trials may take, and
            longer ones in proportion; `None` does not limit them.
        start_timeout: Float, the seconds that an actor may wait for room on
            the cluster and start. Then another one is started in its place,
            or, if no child of this engine ran meanwhile, `EvaluatorError`
            ends the search. `None` does not limit them.
        options: Further arguments of `ray.init`.

    Raises:
        ValueError: If a number is out of range, the evaluator cannot be
            pickled, the address does not answer, or the cluster has no room
            for one child.
        ImportError: If Ray is not installed.
        ConnectionError: If Ray finds no cluster.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        address: str | None = None,
        workers: int | None = None,
        children_per_process: int = 10,
        cpus: float = 1.0,
        gpus: float = 0.0,
        timeout: float | None = None,
        start_timeout: float | None = 1800.0,
        **options: Any,
    ):
        require("OnRay", ["ray"], "ray")
        self.cpus = checks.number("cpus", cpus, above=0)
        self.gpus = checks.number("gpus", gpus, 0)
        self.timeout, self.start_timeout = (
            value if value is None else checks.number(name, value, above=0)
            for name, value in [
                ("timeout", timeout),
                ("start_timeout", start_timeout),
            ]
        )
        self.address = address
        if workers is not None:
            checks.integer("workers", workers, 1)
        connect(address, **options)
        if workers is None:
            workers = room_for(self.cpus, self.gpus)
        super().__init__(evaluator, children_per_process, workers)
        self._lock = threading.Lock()
        self._evaluator_there: Any = None

    def start(self, place):
        """Starts an actor."""
        return _Actor(self)

    def evaluator_there(self) -> Any:
        """Returns the evaluator in the cluster's object store, pickled.

        It is put there once for all actors.
        """
        import ray

        with self._lock:
            if self._evaluator_there is None:
                pickled = ray.cloudpickle.dumps(self.evaluator)
                self._evaluator_there = ray.put(pickled)
            return self._evaluator_there

    def copy(self, evaluator, length):
        """Returns one of the same settings for another evaluator."""
        return OnRay(
            evaluator,
            self.address,
            self.workers,
            self.children_per_process,
            self.cpus,
            self.gpus,
            self.timeout and length * self.timeout,
            self.start_timeout,
        )

    def close(self):
        """Ends the actors; the cluster stays."""
        super().close()
        self._evaluator_there = None


def connect(address: str | None, **options: Any) -> None:
    """Connects to a cluster, or starts one on this machine.

    Does nothing if this process is connected.

    Args:
        address: String, see `OnRay`; `None` starts one.
        options: Further arguments of `ray.init`.

    Raises:
        ValueError: If the address does not answer.
        ConnectionError: If Ray finds no cluster.
    """
    import ray

    if ray.is_initialized():
        return
    if address is not None:
        _check_reachable(address)
        ray.init(address, log_to_driver=False, **options)
        return
    with _on_loopback():
        own = {"include_dashboard": False, "log_to_driver": False}
        # Without "local" Ray takes one that is running here.
        ray.init("local", **{**own, **options})


def _check_reachable(address):
    """Refuses an address that does not answer: Ray would try it for minutes.

    An address without a port is one that Ray looks up.
    """
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), LOOK_SECONDS).close()
    except OSError as error:
        raise ValueError(
            f"`address` must be that of a running Ray cluster. Received: "
            f"address={address!r}, which does not answer: {error}"
        ) from error


def room_for(cpus: float, gpus: float) -> int:
    """Returns how many children the cluster has room for.

    Args:
        cpus, gpus: Floats, what a child takes.

    Raises:
        ValueError: If it has no room for one.
    """
    import ray

    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    room = 0
    for node in nodes:
        parts = [node.get("CPU", 0) / cpus]
        if gpus:
            parts.append(node.get("GPU", 0) / gpus)
        room += int(min(parts))
    if room < 1:
        found = [
            f"{node.get('CPU', 0):g} CPUs and {node.get('GPU', 0):g} GPUs"
            for node in nodes
        ]
        raise ValueError(
            "`cpus` and `gpus` of a child must be what a node has room for. "
            f"Received: cpus={cpus:g}, gpus={gpus:g}; the nodes have "
            + "; ".join(found)
        )
    return room


@contextlib.contextmanager
def _on_loopback():
    """A cluster that is started in the block is for this machine alone.

    Where Ray does not expect clusters it takes the loopback address. Otherwise
    some of its ports are open to all, and whoever reaches them runs code.
    """
    from ray._private import ray_constants

    variable = ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR
    before = os.environ.get(variable), ray_constants.ENABLE_RAY_CLUSTER
    os.environ[variable], ray_constants.ENABLE_RAY_CLUSTER = "0", False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before[1]
        del os.environ[variable]
        if before[0] is not None:
            os.environ[variable] = before[0]


@contextlib.contextmanager
def _connected():
    """A connection that is lost concerns all children, not this one alone."""
    try:
        yield
    except ConnectionError as error:
        raise EvaluatorError(
            f"The connection to the Ray cluster was lost: {error}. Started "
            "again, the search goes on."
        ) from error


class _Actor:
    """A worker on the cluster; see `pool.Worker`.

    Args:
        engine: `OnRay`.
    """

    def __init__(self, engine):
        self.children = 0
        self._engine = engine
        with _connected():
            self._make()

    def _make(self):
        import ray

        engine = self._engine
        if not ray.is_initialized():  # Ray would start a cluster of its own.
            raise ConnectionError("it was shut down")
        options = {
            "num_cpus": engine.cpus,
            "num_gpus": engine.gpus,
            "max_restarts": 0,
            "runtime_env": {"env_vars": engine.environment},
        }
        self._actor = ray.remote(**options)(_Served).remote(
            engine.setup, engine.cpus, engine.gpus, engine.evaluator_there()
        )
        self.name = f"actor {self._actor._actor_id.hex()}"

    def wait_until_ready(self):
        """Waits also for room on the cluster."""
        with _connected():
            found = self._started()
        try:
            error = self._get(found)
        except KilledError as killed:
            if "creation task" not in str(killed):
                raise
            error = str(killed)
        if error is not None:
            raise EvaluatorError(
                "The evaluator cannot be rebuilt on the cluster. All nodes "
                "need nasnet-keras and the modules of the evaluator. The error "
                f"there:\n{error}"
            )

    def _started(self):
        """Returns the reference to its first answer, when this is there."""
        import ray

        engine, found = self._engine, self._actor.error.remote()
        limit = engine.start_timeout or math.inf
        waited = alone = 0.0
        while not ray.wait([found], timeout=LOOK_SECONDS)[0]:
            # Actors without a child may have the room that this one needs.
            engine.end_idle()
            waited += LOOK_SECONDS
            # A child that runs makes room when it ends.
            alone = 0.0 if engine.running() else alone + LOOK_SECONDS
            said = (
                f"An {self.name} has waited for {waited:g} s for "
                f"{engine.cpus:g} CPUs and {engine.gpus:g} GPUs on the Ray "
                "cluster."
            )
            if alone >= limit:
                self.kill()
                raise EvaluatorError(
                    f"{said} Ask for less with `cpus` and `gpus`, make room, "
                    "or let it wait longer with `start_timeout`; started "
                    "again, the search goes on."
                )
            if waited >= limit:  # It may hang on its node.
                notice(f"{said} Another one is started.")
                self.kill()
                self._make()
                found, waited = self._actor.error.remote(), 0.0
            elif PATIENCE <= waited < PATIENCE + LOOK_SECONDS:
                notice(f"{said} It goes on waiting.")
        return found

    def is_alive(self):
        """Whether it can be given a child, as far as is known."""
        return True

    def compute(self, genotype, settings, curves):
        """Evaluates a genotype, see `pool.Worker`."""
        import ray

        self.children += 1
        with _connected():
            found = self._actor.compute.remote(genotype, settings, curves)
        try:
            return self._get(found, self._engine.timeout).checked()
        except ray.exceptions.RayTaskError as error:
            # What it returned cannot be sent.
            return None, str(error)

    def _get(self, reference, timeout=None):
        import ray

        try:
            with _connected():
                return ray.get(reference, timeout=timeout)
        except ray.exceptions.GetTimeoutError:
            self.kill()
            raise KilledError(
                f"It took more than {timeout:g} s, the limit."
            ) from None
        except ray.exceptions.RayTaskError:
            raise
        except ray.exceptions.RayError as error:
            lines = str(error).strip().splitlines()
            if len(lines) > 2 * REASON_LINES:
                lines[REASON_LINES:-REASON_LINES] = ["..."]
            raise KilledError("\n".join(lines)) from None

    def megabytes(self):
        """Returns its resident memory; `None` if it has ended."""
        import ray

        with contextlib.suppress(Exception):  # Its child has ended well.
            found = self._actor.megabytes.remote()
            return ray.get(found, timeout=LOOK_SECONDS)
        return None

    def kill(self):
        """Ends the actor at once."""
        import ray

        with contextlib.suppress(Exception):  # It may be gone with its node.
            ray.kill(self._actor)


class _Served:
    """What runs on the cluster; Ray makes an actor of it.

    Args:
        setup: `Setup`.
        cpus: Float, the cores that Ray has set aside.
        gpus: Float, the GPUs.
        evaluator: Bytes, the pickled `Evaluator`.
    """

    def __init__(self, setup, cpus, gpus, evaluator):
        self._error: str | None = None
        try:
            setup.apply(_share(cpus, gpus))
            self._server = Server(pickle.loads(evaluator))
        except Exception:
            self._error = traceback.format_exc()

    def error(self) -> str | None:
        """Returns why it cannot work, or `None`."""
        return self._error

    def compute(self, genotype, settings, curves) -> Answer:
        """Evaluates a genotype."""
        return self._server.compute(genotype, settings, curves)

    def megabytes(self) -> float:
        """Returns the resident memory of the process."""
        import psutil

        return round(psutil.Process(os.getpid()).memory_info().rss / 1e6)


def _share(cpus, gpus):
    """Ray shows an actor its own GPUs alone: of one it has a part."""
    found = usable_gpus() if 0 < gpus <= 1 else []
    gpu = found[0] if found else None
    return Share(max(1, int(cpus)), gpu=gpu, gpu_part=GPU_PART * gpus)
