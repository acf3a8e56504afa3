"""What the engines with workers share: places, attempts, replacement, a log.

An engine is an evaluator that runs another one elsewhere. It gives each of its
places a worker, see `Worker`; everything else is here.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import functools
import io
import pickle
import queue
import time
from typing import Any, Protocol

from nasnet_keras import checks
from nasnet_keras.search.engines.computing import usual_kernels
from nasnet_keras.search.engines.log import WorkerLog
from nasnet_keras.search.engines.serving import Setup
from nasnet_keras.search.evaluators.evaluator import Evaluator, EvaluatorError
from nasnet_keras.search.names import SIZES

ATTEMPTS = 2
CLOSED = "The engine was closed; it takes children again."


class KilledError(RuntimeError):
    """A worker ended: it may live longer in another attempt."""


class Worker(Protocol):
    """A process with a copy of an evaluator, which runs one child at a time.

    Attributes:
        children: Integer, the genotypes that it was given.
        name: String, what it is for the reader of a log.
    """

    children: int
    name: str

    def wait_until_ready(self) -> None:
        """Returns when it can evaluate its first child.

        Raises:
            EvaluatorError: If no worker can start.
            KilledError: If this one ended.
        """

    def compute(
        self, genotype: Any, settings: dict[str, Any], curves: list[Any]
    ) -> tuple[Any, str | None]:
        """Evaluates a genotype.

        Args:
            genotype: `Genotype`.
            settings: Dictionary.
            curves: List of the curves of children that ended since the last
                call.

        Returns:
            What `Evaluator.compute` returns, or `None`; the error's traceback
            as text, or `None`.

        Raises:
            EvaluatorError: If no genotype can be evaluated.
            KilledError: If the worker was killed.
        """

    def is_alive(self) -> bool:
        """Whether it can be given a child, as far as is known."""

    def megabytes(self) -> float | None:
        """Returns its resident memory; `None` if it is not known."""

    def kill(self) -> None:
        """Ends it at once."""


class Pool(Evaluator):
    """Runs another evaluator in workers, replaced regularly.

    Subclasses implement `start(place)` and `copy(evaluator, length)`.

    Args:
        evaluator: `Evaluator` whose results depend on nothing that changes
            between children except the records given to `resume`. It must be
            possible to pickle it.
        children_per_process: Integer, the children that a worker evaluates
            before it is replaced.
        workers: Integer, the children at a time.

    Raises:
        ValueError: If an integer is below 1, or the evaluator cannot be
            pickled.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        children_per_process: int = 10,
        workers: int = 1,
    ):
        if not isinstance(evaluator, Evaluator):
            raise ValueError(
                "`evaluator` must be an Evaluator. Received: "
                f"evaluator={evaluator!r}"
            )
        evaluator.check_alone("A worker", ["curves"])
        super().__init__(evaluator.network, evaluator.reward)
        self.remembers = evaluator.remembers
        _check_can_be_sent(evaluator)
        self.evaluator = evaluator
        self.settings, self.trials = evaluator.settings, evaluator.trials
        self.children_per_process = checks.integer(
            "children_per_process", children_per_process, 1
        )
        self.workers = checks.integer("workers", workers, 1)
        self.setup = Setup.of_this_process()
        self._records: list[dict[str, Any]] = []
        self._folder: Any = None
        self._open()

    @property
    def environment(self) -> dict[str, str]:
        """The variables that a worker must have when it imports Keras."""
        side = self.network.side if self.network else None
        backend = self.setup.keras["backend"]
        return {"KERAS_BACKEND": backend, **usual_kernels(side)}

    def start(self, place: int) -> Worker:
        """Returns a new worker.

        Args:
            place: Integer from 0, the number of its place.

        Raises:
            EvaluatorError: If there can be none.
        """
        raise NotImplementedError(f"{type(self).__name__} must implement start")

    def copy(self, evaluator: Evaluator, length: float) -> Pool:
        """Returns an engine of the same settings for another evaluator.

        Args:
            evaluator: `Evaluator`.
            length: Float, how much longer its children take.
        """
        raise NotImplementedError(f"{type(self).__name__} must implement copy")

    def _open(self):
        """Makes places for workers; the first child of each starts it."""
        self._places = [_Place(self, number) for number in range(self.workers)]
        self._free: queue.SimpleQueue[_Place] = queue.SimpleQueue()
        for place in self._places:
            self._free.put(place)
        self._executor = concurrent.futures.ThreadPoolExecutor(self.workers)

    def resume(self, folder, records):
        """Keeps the records, whose curves are sent to the workers, and the
        folder for their logs."""
        self._folder, self._records = folder, records

    def submit(self, genotype, settings=None, name=""):
        """Begins the evaluation of a genotype in one of the workers."""
        # A part of Keras' configuration is that of the calling thread.
        self.setup = Setup.of_this_process()
        call = functools.partial(self._call, genotype, settings or {}, name)
        return self._executor.submit(call)

    def __call__(self, genotype, **settings):
        self.setup = Setup.of_this_process()
        return self._call(genotype, settings, "")

    def _call(self, genotype, settings, name):
        """What `Evaluator.__call__` does, in a place that is free."""
        free = self._free  # `close` makes another one.
        place = free.get()
        try:
            measured = place.compute(
                genotype,
                settings | self._size(genotype, settings),
                # What is not compared need not be sent.
                self._records if self.remembers else [],
                name,
            )
        finally:
            free.put(place)
        return self.to_evaluation(measured, genotype, settings)

    def _size(self, genotype, settings):
        """Returns the filters that follow from a budget.

        Counting what costs depend on takes seconds in a new process.
        """
        if self.network is None:
            return {}
        network = self.network.with_settings(settings)
        if network.budget is None or not set(SIZES) <= {*self.settings}:
            return {}
        sized = network.sized(genotype)
        return {name: getattr(sized, name) for name in SIZES}

    def end_idle(self) -> None:
        """Ends the workers that have no child: another one needs their room."""
        places = []
        with contextlib.suppress(queue.Empty):
            while True:
                places.append(self._free.get_nowait())
        for place in places:
            place.end()
            self._free.put(place)

    def running(self):
        """Returns how many seconds each child at hand has been running."""
        now = time.monotonic()
        began = [place.began for place in self._places]
        return [now - at for at in began if at is not None]

    def log_of(self, place: int) -> WorkerLog:
        """Returns the log of a place."""
        return WorkerLog(self._folder, place)

    def later_stages(self, trials):
        """Those of the other evaluator, each in workers of its own."""
        stages = []
        for judge in self.evaluator.later_stages(trials):
            engine = self.copy(judge.evaluator, judge.length)
            engine.resume(self._folder, [])
            stages.append(judge._replace(evaluator=engine))
        return stages

    def close(self):
        """Ends the workers, whatever they are doing."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        for place in self._places:
            place.close()
        self._executor.shutdown()
        self._open()  # The next child starts a worker again.

    def check(self, space):
        """Refuses what the other evaluator refuses."""
        self.evaluator.check(space)

    def describe(self):
        """Returns what the rewards depend on: the other evaluator."""
        return self.evaluator.describe()


class _Place:
    """Where one worker after the other evaluates children, one at a time.

    Args:
        pool: `Pool`.
        number: Integer from 0.
    """

    def __init__(self, pool, number):
        self.pool = pool
        self.number = number
        self._worker: Worker | None = None
        self._told = 0  # Records whose curves the worker has.
        self._closed = False
        self.began: float | None = None  # The child at hand.

    def compute(self, genotype, settings, records, name):
        """Returns what the evaluator measured.

        Raises:
            EvaluatorError: If no genotype can be evaluated.
            RuntimeError: If the worker was killed twice, or the child failed.
        """
        log = self.pool.log_of(self.number)
        for _ in range(ATTEMPTS):
            try:
                worker = self._started_worker(log)
                self.began = time.monotonic()
                log.write("begun", name, worker=worker.name)
                result, error = worker.compute(
                    genotype, settings, self._new_curves(records)
                )
            except KilledError as killed:
                self.end()
                if self._closed:  # By ourselves: no trial has failed.
                    raise EvaluatorError(CLOSED) from None
                how = str(killed)
                log.write("killed", name, message=how, **self._seconds())
                continue
            except BaseException as fatal:  # Or Ctrl-C: none would read it.
                self.end()
                log.write("stopped", name, message=repr(fatal))
                raise
            finally:
                began, self.began = self.began, None
            log.write(
                *("ended" if error is None else "failed", name),
                megabytes=worker.megabytes(),
                message=error,
                seconds=round(time.monotonic() - began, 3),
            )
            if worker.children >= self.pool.children_per_process:
                self.end()
            if error is not None:
                raise RuntimeError(f"{error}\n{log}")
            return result
        raise RuntimeError(
            f"The child's process ended {ATTEMPTS} times. {how}\n{log}"
        )

    def _started_worker(self, log):
        worker = self._worker
        if worker is not None and not worker.is_alive():
            # Killed while it had no child: that is no attempt of this one.
            self.end()
            worker = None
        if worker is None:
            worker = self._worker = self.pool.start(self.number)
            self._told = 0
            if self._closed:  # Meanwhile, from another thread.
                raise EvaluatorError(CLOSED)
            worker.wait_until_ready()
            log.write("started", worker=worker.name)
        return worker

    def _seconds(self):
        """What a log says of the child at hand, if it has begun."""
        if self.began is None:
            return {}
        return {"seconds": round(time.monotonic() - self.began, 3)}

    def _new_curves(self, records):
        """Returns the curves that the worker does not have yet."""
        new = records[self._told :]
        self._told += len(new)
        return [{"curve": r["curve"]} for r in new if "curve" in r]

    def end(self):
        """Ends the worker; the next child starts another one."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.kill()

    def close(self):
        """Ends the worker; whoever waits for its child gets an error."""
        self._closed = True
        self.end()


class _Nowhere(io.RawIOBase):
    """A file that keeps nothing: a data set need not be held twice."""

    def writable(self):
        return True

    def write(self, content):
        return memoryview(content).nbytes


def _check_can_be_sent(evaluator):
    try:
        pickle.dump(evaluator, _Nowhere())
    except Exception as error:
        raise ValueError(
            "`evaluator` must be one that can be pickled: it is sent to "
            "another process. Functions without a name, open files and locks "
            f"cannot. Received: {type(evaluator).__name__}: "
            f"{type(error).__name__}: {error}"
        ) from error
