"""Children in a separate process: one that crashes does not end the search.

TensorFlow does not give back the memory of the networks that it traced; a
process that ends does.
"""

import io
import multiprocessing
import pickle
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
    """Runs another evaluator in a separate process, replaced regularly.

    A child whose process is killed, for example by the system for lack of
    memory, is tried once more in a new process; then its trial fails and the
    search continues. A process that cannot start, or that ends by itself,
    stops the search: the next one would end in the same way.

    The process gets the operations that are registered here and the
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
        threads: Integer, the threads that compute in the process. By default
            one for images of at most 8 pixels, which gain nothing from a
            second one, else as many as the backend takes.

    Raises:
        ValueError: If `children_per_process` or `threads` is below 1, or the
            evaluator cannot be pickled.
        RuntimeError: In a script without `if __name__ == "__main__":`.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        children_per_process: int = 10,
        threads: int | None = None,
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
        if threads is not None:
            threads = checks.integer("threads", threads, 1)
        elif self.network is not None:
            threads = usual_threads(self.network.side)
        self.threads = threads
        self._worker: Worker | None = None
        self._records: list[dict[str, Any]] = []

    def resume(self, folder, records):
        """Keeps the records; their curves are sent with each child."""
        self._records = records

    def compute(self, genotype, **settings):
        """Measures the child in the other process.

        Raises:
            EvaluatorError: If the process cannot start, or ended by itself.
            RuntimeError: If the process was killed twice, or the child failed.
        """
        settings |= self._size(genotype, settings)
        curves = [{"curve": r["curve"]} for r in self._records if "curve" in r]
        for _ in range(ATTEMPTS):
            try:
                if self._worker is None:
                    self._worker = Worker(self.evaluator, self.threads)
                result, error = self._worker.compute(genotype, settings, curves)
            except KilledError as killed:
                self.close()
                how = str(killed)
                continue
            except BaseException:  # Ctrl-C: the result would never be read.
                self.close()
                raise
            if self._worker.children >= self.children_per_process:
                self.close()
            if error is not None:
                raise RuntimeError(error)
            return result
        raise RuntimeError(
            f"The child's process was killed {ATTEMPTS} times. {how}"
        )

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
        """Those of the other evaluator, each in a process of its own."""
        return [
            judge._replace(
                evaluator=Isolated(
                    judge.evaluator, self.children_per_process, self.threads
                )
            )
            for judge in self.evaluator.later_stages(trials)
        ]

    def close(self):
        """Ends the process, whatever it is doing."""
        if self._worker is not None:
            self._worker.kill()
            self._worker = None

    def check(self, space):
        """Refuses what the other evaluator refuses."""
        self.evaluator.check(space)

    def describe(self):
        """Returns what the rewards depend on: the other evaluator."""
        return self.evaluator.describe()


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
