"""Children in a process of their own: none takes the search down with it.

TensorFlow does not give back the memory of the networks that it traced; a
process that ends does.
"""

import contextlib
import importlib
import multiprocessing
import signal
import traceback

from nasnet_keras.cells.operations import OPERATIONS
from nasnet_keras.search.evaluators.evaluator import Evaluator

ATTEMPTS = 2


class Isolated(Evaluator):
    """Runs another evaluator in a process that is replaced now and then.

    A child whose process is killed, by the system for want of memory say, is
    tried once more in a new one; then its trial fails, and the search goes on.

    As with all processes that Python spawns, a script that uses it must keep
    what it does under `if __name__ == "__main__":`.

    Args:
        evaluator: `Evaluator`, of which nothing but the records given to
            `resume` changes between children.
        children_per_process: Integer. A new process takes some seconds to
            import Keras.

    Raises:
        ValueError: If `children_per_process` is below 1.
    """

    def __init__(self, evaluator, children_per_process=10):
        super().__init__(evaluator.network, evaluator.reward)
        if children_per_process < 1:
            raise ValueError(
                "`children_per_process` must be at least 1. Received: "
                f"children_per_process={children_per_process!r}"
            )
        self.evaluator = evaluator
        self.children_per_process = children_per_process
        self._worker = None
        self._records = []

    def resume(self, folder, records):
        """Keeps the records, which each child is given."""
        self._records = records

    def examine(self, genotype, **settings):
        """Measures in the other process, costs too.

        Raises:
            RuntimeError: If that was killed twice, or the child failed.
        """
        curves = [{"curve": r["curve"]} for r in self._records if "curve" in r]
        for _ in range(ATTEMPTS):
            try:
                if self._worker is None:
                    self._worker = _Worker(self.evaluator)
                result, error = self._worker.ask(genotype, settings, curves)
            except (EOFError, BrokenPipeError, ConnectionResetError):
                self.close()  # Also if it was killed while it started.
                continue
            except BaseException:  # Ctrl-C: its answer is for nobody.
                self.close()
                raise
            if self._worker.children >= self.children_per_process:
                self.close()
            if error is not None:
                raise RuntimeError(error)
            return result
        raise RuntimeError(
            f"The child's process was killed {ATTEMPTS} times; most likely "
            "there is not enough memory for it."
        )

    def close(self):
        """Ends the process."""
        if self._worker is not None:
            self._worker.stop()
            self._worker = None

    def check(self, space):
        """Refuses what the other evaluator refuses."""
        self.evaluator.check(space)

    def describe(self):
        """Returns what the rewards depend on: the other evaluator."""
        return self.evaluator.describe()


class _Worker:
    """The other process, and the line to it."""

    def __init__(self, evaluator):
        # Spawned: a fork of a process that runs TensorFlow may hang.
        context = multiprocessing.get_context("spawn")
        self.children = 0
        self._line, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve,
            args=(_modules_of_operations(), theirs, evaluator),
            daemon=True,
        )
        self._process.start()
        theirs.close()  # So that the line ends when the process does.

    def ask(self, *question):
        """Returns the answer; raises an error if the process is gone."""
        self.children += 1
        self._line.send(question)
        return self._line.recv()

    def stop(self):
        self._process.kill()
        self._process.join()
        self._line.close()


def _modules_of_operations():
    """The modules that register operations: the other process needs them.

    A script it runs anyhow, as Python does in spawned processes.
    """
    return sorted({f.__module__ for f in OPERATIONS.values()} - {"__main__"})


def _serve(modules, line, evaluator):
    """Answers until nobody asks."""
    for name in modules:
        # What is missed, the child's error names.
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the search.
    while True:
        try:
            genotype, settings, curves = line.recv()
        except EOFError:
            return
        evaluator.resume(None, curves)
        try:
            answer = evaluator.examine(genotype, **settings), None
        except Exception:
            answer = None, traceback.format_exc()
        line.send(answer)
