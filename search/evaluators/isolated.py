"""Children in separate processes: one that crashes does not end the search.

TensorFlow does not give back the memory of the networks that it traced; a
process that ends does.
"""

import concurrent.futures
import io
import multiprocessing
import pickle
import queue
from typing import Any

from nasnet_keras import checks
from nasnet_keras.search.evaluators.computing import usual_threads
from nasnet_keras.search.evaluators.evaluator import Evaluator
from nasnet_keras.search.evaluators.worker import (
    GUARD_ADVICE,
    KilledError,
    Worker,
)
from nasnet_keras.search.names import SIZES

ATTEMPTS = 2


class Isolated(Evaluator):
    """Runs another evaluator in separate processes, replaced regularly.

    A child whose process is killed, for example by the system for lack of
    memory, is tried once more in a new process; then its trial fails and the
    search continues. A process that cannot start, or that ends by itself,
    stops the search: the next one would end in the same way.

    The processes get the operations that are registered here and the
    configuration of Keras (backend, dtype policy, data format, ...).

    As with all processes that Python spawns, a script that uses it must put
    its work under `if __name__ == "__main__":`.

    Args:
        evaluator: `Evaluator` whose results depend on nothing that changes
            between children except the records given to `resume`. It must be
            possible to pickle it.
        children_per_process: Integer, the children that a process evaluates
            before it is replaced. A new process takes some seconds to import
            Keras.
        threads: Integer, the threads that compute in each process. By default
            one for images of at most 8 pixels, which gain nothing from a
            second one, else its share of the processor's cores.
        workers: Integer, the processes at a time. Each holds the images and
            about 1 GB.

    Raises:
        ValueError: If an integer is below 1, or the evaluator cannot be
            pickled.
        RuntimeError: In a script without `if __name__ == "__main__":`.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        children_per_process: int = 10,
        threads: int | None = None,
        workers: int = 1,
    ):
        _refuse_in_unguarded_script()
        if not isinstance(evaluator, Evaluator):
            raise ValueError(
                "`evaluator` must be an Evaluator. Received: "
                f"evaluator={evaluator!r}"
            )
        super().__init__(evaluator.network, evaluator.reward)
        _check_can_be_sent(evaluator)
        self.evaluator = evaluator
        self.settings, self.trials = evaluator.settings, evaluator.trials
        self.children_per_process = checks.integer(
            "children_per_process", children_per_process, 1
        )
        self.workers = checks.integer("workers", workers, 1)
        if threads is not None:
            threads = checks.integer("threads", threads, 1)
        else:
            side = self.network.side if self.network else None
            threads = usual_threads(side, workers)
        self.threads = threads
        self._records: list[dict[str, Any]] = []
        self._open()

    def _open(self):
        """Makes places for processes; the first child of each starts it."""
        self._places = [
            _Place(self.evaluator, self.threads, self.children_per_process)
            for _ in range(self.workers)
        ]
        self._free: queue.SimpleQueue[_Place] = queue.SimpleQueue()
        for place in self._places:
            self._free.put(place)
        self._executor = concurrent.futures.ThreadPoolExecutor(self.workers)

    def resume(self, folder, records):
        """Keeps the records; their curves are sent with each child."""
        self._records = records

    def submit(self, genotype, **settings):
        """Begins the evaluation of a genotype in one of the processes."""
        return self._executor.submit(self, genotype, **settings)

    def compute(self, genotype, **settings):
        """Measures the child in one of the processes.

        Raises:
            EvaluatorError: If the process cannot start, or ended by itself.
            RuntimeError: If the process was killed twice, or the child failed.
        """
        settings |= self._size(genotype, settings)
        curves = [{"curve": r["curve"]} for r in self._records if "curve" in r]
        place = self._free.get()
        try:
            return place.compute(genotype, settings, curves)
        finally:
            self._free.put(place)

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

    def later_stages(self, trials):
        """Those of the other evaluator, each in processes of its own."""
        return [
            judge._replace(
                evaluator=Isolated(
                    judge.evaluator,
                    self.children_per_process,
                    self.threads,
                    self.workers,
                )
            )
            for judge in self.evaluator.later_stages(trials)
        ]

    def close(self):
        """Ends the processes, whatever they are doing."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        for place in self._places:
            place.close()
        self._executor.shutdown()
        self._open()  # The next child starts a process again.

    def check(self, space):
        """Refuses what the other evaluator refuses."""
        self.evaluator.check(space)

    def describe(self):
        """Returns what the rewards depend on: the other evaluator."""
        return self.evaluator.describe()


class _Place:
    """Where one process after the other evaluates children, one at a time.

    Args:
        evaluator: `Evaluator`.
        threads: Optional integer, see `Worker`.
        children_per_process: Integer.
    """

    def __init__(self, evaluator, threads, children_per_process):
        self.evaluator = evaluator
        self.threads = threads
        self.children_per_process = children_per_process
        self._worker: Worker | None = None
        self._closed = False

    def compute(self, genotype, settings, curves):
        """See `Isolated.compute`."""
        for _ in range(ATTEMPTS):
            try:
                worker = self._started_worker()
                result, error = worker.compute(genotype, settings, curves)
            except KilledError as killed:
                self._end()
                if self._closed:  # By ourselves.
                    raise
                how = str(killed)
                continue
            except BaseException:  # Ctrl-C: the result would never be read.
                self._end()
                raise
            if worker.children >= self.children_per_process:
                self._end()
            if error is not None:
                raise RuntimeError(error)
            return result
        raise RuntimeError(
            f"The child's process was killed {ATTEMPTS} times. {how}"
        )

    def _started_worker(self):
        worker = self._worker
        if worker is None:
            worker = self._worker = Worker(self.evaluator, self.threads)
            if self._closed:  # Meanwhile, from another thread.
                raise KilledError("The search has ended.")
        return worker

    def _end(self):
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.kill()

    def close(self):
        """Ends the process; whoever waits for its child gets an error."""
        self._closed = True
        self._end()


def _refuse_in_unguarded_script():
    """Raises RuntimeError where Python would refuse to start a process.

    Python does it too late: a search would find its folder locked first.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise RuntimeError(GUARD_ADVICE)


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
