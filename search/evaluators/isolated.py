"""Children in a separate process: one that crashes does not end the search.

TensorFlow does not give back the memory of the networks that it traced; a
process that ends does.
"""

import contextlib
import importlib
import multiprocessing
import os
import pathlib
import pickle
import signal
import tempfile
import threading
import traceback
import weakref
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.context import SpawnContext
from typing import Any

from nasnet_keras.cells.operations import OPERATIONS
from nasnet_keras.search.evaluators.evaluator import Evaluator

ATTEMPTS = 2


class Isolated(Evaluator):
    """Runs another evaluator in a separate process, replaced regularly.

    A child whose process is killed, for example by the system for lack of
    memory, is tried once more in a new process; then its trial fails and the
    search continues.

    As with all processes that Python spawns, a script that uses it must put
    its work under `if __name__ == "__main__":`.

    Args:
        evaluator: `Evaluator` whose results depend on nothing that changes
            between children except the records given to `resume`.
        children_per_process: Integer, the children that a process evaluates
            before it is replaced. A new process takes some seconds to import
            Keras.

    Raises:
        ValueError: If `children_per_process` is below 1.
    """

    def __init__(self, evaluator: Evaluator, children_per_process: int = 10):
        super().__init__(evaluator.network, evaluator.reward)
        if children_per_process < 1:
            raise ValueError(
                "`children_per_process` must be at least 1. Received: "
                f"children_per_process={children_per_process!r}"
            )
        self.evaluator = evaluator
        self.children_per_process = children_per_process
        self._worker: _Worker | None = None
        self._records: list[dict[str, Any]] = []

    def resume(self, folder, records):
        """Keeps the records; their curves are sent with each child."""
        self._records = records

    def examine(self, genotype, **settings):
        """Measures the child and its costs in the other process.

        Raises:
            RuntimeError: If the process was killed twice, or the child failed.
        """
        curves = [{"curve": r["curve"]} for r in self._records if "curve" in r]
        for _ in range(ATTEMPTS):
            try:
                if self._worker is None:
                    self._worker = _Worker(self.evaluator)
                result, error = self._worker.examine(genotype, settings, curves)
            except (BrokenProcessPool, BrokenPipeError):
                self.close()
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
            f"The child's process was killed {ATTEMPTS} times; most likely "
            "there is not enough memory for it."
        )

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


class _Worker:
    """An executor of one process.

    To replace its process, the executor is replaced. `max_tasks_per_child`
    would start the next process in a thread of the executor, which holds the
    executor's lock. If that process dies while it starts, `submit` or the
    exit of the interpreter waits forever (measured on Python 3.11.7 with
    `initargs` of 30 MB: 6 of 6 times). Otherwise it works: 6,600 small tasks,
    with a new process after 1, 2, 3 or 10 of them.
    """

    def __init__(self, evaluator):
        self.children = 0
        # What a process is sent goes through files. More than a pipe holds
        # (64 kB) would block the executor if the process is killed before it
        # has read it: measured on Python 3.11.2, for tasks and `initargs`.
        folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self._folder = pathlib.Path(folder.name)
        evaluator_file = self._write("evaluator", evaluator)
        context = _RecordingContext()
        self._executor = ProcessPoolExecutor(
            max_workers=1,
            mp_context=context,
            initializer=_initialize,
            initargs=(_operation_modules(), evaluator_file),
        )
        # Runs once: by `kill`, or if the worker is deleted, or at exit.
        self._finalizer = weakref.finalize(
            self, _end, context, self._executor, folder
        )

    def _write(self, name, content):
        path = self._folder / name
        path.write_bytes(pickle.dumps(content))
        return path

    def examine(self, *arguments):
        """Returns the result or an error text, see `_examine`."""
        self.children += 1
        path = self._write("arguments", arguments)
        return self._executor.submit(_examine, path).result()

    def kill(self):
        """Ends the process at once; returns when it is gone."""
        self._finalizer()


def _end(context, executor, folder):
    context.kill()
    executor.shutdown(cancel_futures=True)
    folder.cleanup()


class _RecordingContext(SpawnContext):
    """Records the processes that an executor starts.

    An executor has no public way to kill them. They are spawned: a fork of a
    process that runs TensorFlow may hang.
    """

    def __init__(self):
        super().__init__()
        self._processes = []

    def Process(self, *args, **kwargs):
        """Returns a new process; see `multiprocessing.Process`."""
        process = super().Process(*args, **kwargs)
        self._processes.append(process)
        return process

    def kill(self):
        """Kills the processes that have been started."""
        for process in self._processes:
            if process.pid is not None:
                process.kill()


def _operation_modules():
    """Returns the modules that register operations, for the other process.

    A script is not among them: Python runs it in spawned processes anyway.
    """
    return sorted({f.__module__ for f in OPERATIONS.values()} - {"__main__"})


_evaluator = None


def _initialize(modules, evaluator_file):
    """Prepares the other process."""
    global _evaluator
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # The search handles Ctrl-C.
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    for name in modules:
        # If an operation is missing, the child's error names it.
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    _evaluator = pickle.loads(evaluator_file.read_bytes())


def _exit_with_parent():
    """Ends this process when the search's is killed; executors do not."""
    multiprocessing.parent_process().join()
    os._exit(1)


def _examine(arguments_file):
    """Runs in the other process.

    Args:
        arguments_file: Path of a file with genotype, settings and curves.

    Returns:
        What `Evaluator.examine` returns, or `None`; the error's traceback as
        text, or `None`.
    """
    genotype, settings, curves = pickle.loads(arguments_file.read_bytes())
    _evaluator.resume(None, curves)
    try:
        return _evaluator.examine(genotype, **settings), None
    except Exception:
        return None, traceback.format_exc()
