"""Children on a Ray cluster, under our own oracle and journal.

Ray Core alone: an actor evaluates children and is replaced after some of them.
What Ray loses, a node or a process, costs one attempt of one child.
"""

from __future__ import annotations

import contextlib
import os
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
from nasnet_keras.search.engines.serving import Answer, Server, Setup
from nasnet_keras.search.evaluators.evaluator import Evaluator, EvaluatorError

REASON_LINES = 12
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
        timeout: Float, the seconds that a child may take; `None` does not
            limit them.
        options: Further arguments of `ray.init`.

    Raises:
        ValueError: If a number is out of range, the evaluator cannot be
            pickled, or the cluster has no room for one child.
        ImportError: If Ray is not installed.
        ConnectionError: If there is no cluster at the address.
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
        **options: Any,
    ):
        require("OnRay", ["ray"], "ray")
        self.cpus = checks.number("cpus", cpus, above=0)
        self.gpus = checks.number("gpus", gpus, 0)
        if timeout is not None:
            timeout = checks.number("timeout", timeout, above=0)
        self.timeout = timeout
        self.address = address
        if workers is not None:
            checks.integer("workers", workers, 1)
        connect(address, **options)
        if workers is None:
            workers = room_for(self.cpus, self.gpus)
        super().__init__(evaluator, children_per_process, workers)
        self._evaluator_there: Any = None

    def start(self, place):
        """Starts an actor."""
        import ray

        if self._evaluator_there is None:  # Once for all actors.
            self._evaluator_there = ray.put(self.evaluator)
        return _Actor(self)

    @property
    def evaluator_there(self) -> Any:
        """The evaluator in the cluster's object store."""
        return self._evaluator_there

    def copy(self, evaluator):
        """Returns one of the same settings for another evaluator."""
        return OnRay(
            evaluator,
            self.address,
            self.workers,
            self.children_per_process,
            self.cpus,
            self.gpus,
            self.timeout,
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
    """
    import ray

    if ray.is_initialized():
        return
    if address is not None:
        ray.init(address, log_to_driver=False, **options)
        return
    with _on_loopback():
        own = {"include_dashboard": False, "log_to_driver": False}
        ray.init(**{**own, **options})


def room_for(cpus: float, gpus: float) -> int:
    """Returns how many children the cluster has room for.

    Args:
        cpus, gpus: Floats, what a child takes.

    Raises:
        ValueError: If it has no room for one.
    """
    import ray

    found = ray.cluster_resources()
    room = found.get("CPU", 0) / cpus
    if gpus:
        room = min(room, found.get("GPU", 0) / gpus)
    if room < 1:
        raise ValueError(
            "`cpus` and `gpus` of a child must be what the cluster has room "
            f"for. Received: cpus={cpus:g}, gpus={gpus:g}; it has "
            f"{found.get('CPU', 0):g} CPUs and {found.get('GPU', 0):g} GPUs"
        )
    return int(room)


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


class _Actor:
    """A worker on the cluster; see `pool.Worker`.

    Args:
        engine: `OnRay`.
    """

    def __init__(self, engine):
        import ray

        setup = Setup.of_this_process()
        self.children = 0
        self._timeout = engine.timeout
        self._wanted = f"{engine.cpus:g} CPUs and {engine.gpus:g} GPUs"
        options = {
            "num_cpus": engine.cpus,
            "num_gpus": engine.gpus,
            "max_restarts": 0,
            # Read when Keras is imported, before the actor is made.
            "runtime_env": {
                "env_vars": {"KERAS_BACKEND": setup.keras["backend"]}
            },
        }
        self._actor = ray.remote(**options)(_Served).remote(
            setup, engine.cpus, engine.gpus, engine.evaluator_there
        )
        self.name = f"actor {self._actor._actor_id.hex()}"
        self._ready = False

    def compute(self, genotype, settings, curves):
        """Evaluates a genotype, see `pool.Worker`."""
        self._wait_until_ready()
        self.children += 1
        answer = self._get(
            self._actor.compute.remote(genotype, settings, curves),
            self._timeout,
        )
        return answer.checked()

    def _wait_until_ready(self):
        """Waits also for room on the cluster, without a limit of time."""
        import ray

        if self._ready:
            return
        found = self._actor.error.remote()
        if not ray.wait([found], timeout=PATIENCE)[0]:
            notice(
                f"An {self.name} has waited for {PATIENCE:g} s for "
                f"{self._wanted} on the Ray cluster. It goes on waiting."
            )
        error = self._get(found)
        if error is not None:
            raise EvaluatorError(
                "The evaluator cannot be rebuilt on the cluster. All nodes "
                "need nasnet-keras and the modules of the evaluator. The error "
                f"there:\n{error}"
            )
        self._ready = True

    def _get(self, reference, timeout=None):
        import ray

        try:
            return ray.get(reference, timeout=timeout)
        except ray.exceptions.GetTimeoutError:
            self.kill()
            raise KilledError(
                f"It took more than {timeout:g} s, the limit."
            ) from None
        except ray.exceptions.RayError as error:
            lines = str(error).strip().splitlines()[:REASON_LINES]
            raise KilledError("\n".join(lines)) from None

    def megabytes(self):
        """Returns its resident memory; `None` if it has ended."""
        with contextlib.suppress(KilledError):
            return self._get(self._actor.megabytes.remote())
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
        evaluator: `Evaluator`.
    """

    def __init__(self, setup, cpus, gpus, evaluator):
        self._error: str | None = None
        try:
            setup.apply(_share(cpus, gpus))
            self._server = Server(evaluator)
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
    """Of the GPUs Ray shows the actor its own alone."""
    gpu = usable_gpus()[0] if gpus else None
    return Share(max(1, int(cpus)), gpu=gpu, gpu_part=GPU_PART * min(1, gpus))
