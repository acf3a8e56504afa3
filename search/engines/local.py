"""Children in separate processes: one that crashes does not end the search.

TensorFlow does not give back the memory of the networks that it traced; a
process that ends does.
"""

from __future__ import annotations

import multiprocessing

from nasnet_keras import checks
from nasnet_keras.search.engines.computing import make_shares, usual_threads
from nasnet_keras.search.engines.pool import Pool
from nasnet_keras.search.engines.process import (
    GUARD_ADVICE,
    ProcessLimits,
    WorkerProcess,
)
from nasnet_keras.search.evaluators.evaluator import Evaluator


class Isolated(Pool):
    """Runs another evaluator in separate processes, replaced regularly.

    A child whose process ends, for example killed by the system for lack of
    memory, is tried once more in a new process; then its trial fails, with the
    exit code and the last lines of standard error, and the search continues.
    So does one that exceeds a limit. A process that cannot start stops the
    search: the next one could not either.

    The processes get the operations that are registered here and the
    configuration of Keras (backend, dtype policy, data format, ...). Several
    workers share the cores, or the GPUs and the memory there.

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
        memory: Float, the gigabytes that a process may use; `None` does not
            limit them.
        timeout: Float, the seconds that a child of the trials may take, and
            longer ones in proportion; `None` does not limit them.

    Raises:
        ValueError: If a number is out of range, or the evaluator cannot be
            pickled.
        RuntimeError: In a script without `if __name__ == "__main__":`.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        children_per_process: int = 10,
        threads: int | None = None,
        workers: int = 1,
        memory: float | None = None,
        timeout: float | None = None,
    ):
        _refuse_in_unguarded_script()
        if memory is not None:
            memory = checks.number("memory", memory, above=0)
        if timeout is not None:
            timeout = checks.number("timeout", timeout, above=0)
        self.limits = ProcessLimits(memory, timeout)
        super().__init__(evaluator, children_per_process, workers)
        if threads is not None:
            threads = checks.integer("threads", threads, 1)
        else:
            side = self.network.side if self.network else None
            threads = usual_threads(side, self.workers)
        self.threads = threads
        self._shares = make_shares(self.workers, threads)

    def start(self, place):
        """Starts a process."""
        return WorkerProcess(
            self.evaluator,
            self.setup,
            self._shares[place],
            self.limits,
            self.environment,
        )

    def copy(self, evaluator, length):
        """Returns one of the same settings for another evaluator."""
        memory, timeout = self.limits
        return Isolated(
            evaluator,
            self.children_per_process,
            self.threads,
            self.workers,
            memory,
            timeout and length * timeout,
        )


def _refuse_in_unguarded_script():
    """Raises RuntimeError where Python would refuse to start a process.

    Python does it too late: a search would find its folder locked first.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise RuntimeError(GUARD_ADVICE)
