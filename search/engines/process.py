"""A worker that is a process here, and what it says when it ends.

Only short messages go through its pipe. The evaluator with its data set, and
each task, go through files: a pipe holds 64 kB, and whoever writes more waits
for ever if the other process dies before it has read it.
"""

import contextlib
import faulthandler
import math
import multiprocessing
import os
import pathlib
import pickle
import signal
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from multiprocessing import util
from typing import Any, NamedTuple

import psutil

from nasnet_keras.search.engines.computing import Share
from nasnet_keras.search.engines.pool import KilledError
from nasnet_keras.search.engines.serving import Answer, Server, Setup
from nasnet_keras.search.evaluators.evaluator import EvaluatorError

# How often a wait for a message looks whether the process still runs. A pipe
# alone does not tell: a process of the process' own may keep it open.
LOOK_SECONDS = 1.0
START_SECONDS = 600.0  # To import Keras on a busy machine.
END_SECONDS = 30.0  # For a process that was killed to be gone.
LAST_LINES = 40
LINE_LENGTH = 200

# While a process starts, standard error and the environment are its own.
STARTING = threading.Lock()

GUARD_ADVICE = (
    'A script must put its work under `if __name__ == "__main__":`, as with '
    "all processes that Python spawns."
)


class ProcessLimits(NamedTuple):
    """What ends a process.

    Args:
        memory: Float, gigabytes of resident memory; `None` for no limit.
        timeout: Float, seconds of a child; `None` for no limit.
    """

    memory: float | None = None
    timeout: float | None = None


class WorkerProcess:
    """A new process with a copy of an evaluator; it is spawned.

    A fork of a process that runs TensorFlow may hang. The process gets the
    operations that are registered here and the configuration of Keras.

    Args:
        evaluator: `Evaluator`.
        setup: `Setup`.
        share: `Share` of the machine.
        limits: `ProcessLimits`.
        environment: Dictionary, the variables that it imports Keras with.

    Raises:
        EvaluatorError: If its files cannot be written, or it cannot be started.

    Attributes:
        children: Integer, the genotypes that it was given.
        name: String.
    """

    def __init__(
        self,
        evaluator: Any,
        setup: Setup,
        share: Share,
        limits: ProcessLimits,
        environment: dict[str, str],
    ):
        self.children = 0
        self._limits = limits
        self._deadline = time.monotonic() + START_SECONDS
        try:
            folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        except OSError as error:
            raise EvaluatorError(
                "The process of the children needs a temporary folder: "
                f"{error}. Set TMPDIR to one that can be written to."
            ) from error
        self._folder = pathlib.Path(folder.name)
        self._errors = self._folder / "stderr"
        self._shown = 0  # Bytes of `_errors` that were passed on,
        self._began = 0  # and those before the child at hand.
        try:
            evaluator_file = self._write("evaluator", evaluator)
        except BaseException:
            folder.cleanup()
            raise
        context = multiprocessing.get_context("spawn")
        try:
            self._pipe, theirs = context.Pipe()
        except OSError as error:
            folder.cleanup()
            raise _cannot_start(error) from error
        self._process = context.Process(
            target=_serve,
            args=(theirs, setup, share, evaluator_file),
        )
        # Runs once: by `kill`, or if the worker is deleted, or at exit before
        # `multiprocessing` waits for its processes.
        self._end = util.Finalize(
            self,
            _end,
            (self._process, self._pipe, folder),
            exitpriority=10,
        )
        try:
            with (
                STARTING,
                _standard_error_to(self._errors),
                _environment(environment),
            ):
                self._process.start()
        except OSError as error:
            self.kill()
            raise _cannot_start(error) from error
        finally:
            theirs.close()
        self.name = f"process {self._process.pid}"
        self._ready = False

    def _write(self, name, content):
        path = self._folder / name
        try:
            with path.open("wb") as file:
                pickle.dump(content, file)
        except OSError as error:  # Not this genotype's: of the machine.
            raise EvaluatorError(
                f"What the process of the children reads cannot be written to "
                f"{path}: {error}. Free space there, or set TMPDIR to another "
                "folder."
            ) from error
        return path

    def wait_until_ready(self) -> None:
        """Waits until it has imported Keras and has the evaluator."""
        error = self._receive()
        if error is not None:
            self.kill()
            raise EvaluatorError(
                "The evaluator cannot be rebuilt in another process. Define "
                "its class in a module or at the top of a script. "
                f"{GUARD_ADVICE} The error there:\n{error}"
            )
        self._ready = True

    def compute(self, *arguments: Any) -> tuple[Any, str | None]:
        """Evaluates a genotype.

        Args:
            arguments: Genotype, dictionary of settings, list of the curves
                that are new.

        Returns:
            What `Evaluator.compute` returns, or `None`; the error's traceback
            as text, or `None`.

        Raises:
            EvaluatorError: If the evaluator raised it or cannot be rebuilt in
                the process.
            KilledError: If the process ended, or exceeded a limit.
        """
        self.children += 1
        self._began = self._shown
        path = self._write("arguments", arguments)
        timeout = self._limits.timeout
        self._deadline = time.monotonic() + (timeout or math.inf)
        with contextlib.suppress(ConnectionError):  # `_receive` says why.
            self._pipe.send(path)
        return pickle.loads(self._receive()).checked()

    def _receive(self):
        """Returns the next message of the process."""
        try:
            while not self._pipe.poll(LOOK_SECONDS):
                self._check_limits()
                if not self._process.is_alive() and not self._pipe.poll():
                    raise EOFError
            message = self._pipe.recv()
        except (EOFError, OSError):
            raise self._why_it_ended() from None
        self._pass_on_errors()
        return message

    def is_alive(self) -> bool:
        """Whether it can be given a child."""
        return self._process.is_alive()

    def megabytes(self) -> float | None:
        """Returns its resident memory; `None` if it has ended."""
        try:
            resident = psutil.Process(self._process.pid).memory_info().rss
        except psutil.Error:
            return None
        return round(resident / 1e6)

    def _check_limits(self):
        """Raises KilledError if the process is over a limit."""
        memory, timeout = self._limits
        used = (self.megabytes() or 0) / 1000
        if memory is not None and used > memory:
            how = f"It used {used:.1f} GB of memory, the limit is {memory:g} GB"
        elif time.monotonic() > self._deadline:
            limit = timeout if self._ready else START_SECONDS
            what = "took" if self._ready else "started for"
            how = f"It {what} more than {limit:g} s, the limit"
        else:
            return
        self._pass_on_errors()
        last = self._last_errors()
        self.kill()
        raise KilledError(f"{how}.{last}")

    def _why_it_ended(self):
        """Returns the error that tells how the process ended."""
        self._process.join(LOOK_SECONDS)
        for _ in range(20):  # Another thread may be about to note it.
            code = self._process.exitcode
            if code is not None:
                break
            time.sleep(0.05)
        self._pass_on_errors()
        last = self._last_errors()
        self.kill()
        if code is None or code < 0:
            return KilledError(f"{_name_signal(code)}{last}")
        if self._ready:
            return KilledError(f"It ended with exit code {code}.{last}")
        return EvaluatorError(
            f"The process of the children ended with exit code {code} before "
            f"its first child. {GUARD_ADVICE}{last}"
        )

    def _pass_on_errors(self):
        """Passes on to our standard error what the process wrote to its own."""
        new = self._written(self._shown)
        self._shown += len(new)
        with (
            STARTING,
            contextlib.suppress(OSError),
            open(2, "wb", closefd=False) as ours,
        ):
            ours.write(new)

    def _last_errors(self):
        """What it has written since its child began."""
        text = self._written(self._began).decode(errors="replace").strip()
        if not text:
            return ""
        last = [line[:LINE_LENGTH] for line in text.splitlines()[-LAST_LINES:]]
        return "\nThe last lines of its standard error:\n" + "\n".join(last)

    def _written(self, first):
        """What the process wrote to its standard error, from a byte on."""
        with (
            contextlib.suppress(OSError),  # No result is lost for it.
            self._errors.open("rb") as file,
        ):
            file.seek(first)
            return file.read()
        return b""

    def kill(self) -> None:
        """Ends the process at once; returns when it is gone."""
        self._end()


def _cannot_start(error):
    return EvaluatorError(
        f"No process can be started for the children: {error}. Run fewer "
        "workers, or free memory and processes; started again, the search "
        "goes on."
    )


def _end(process, pipe, folder):
    if process.pid is not None:
        process.kill()
        # One that waits for a device or a network drive ends when it can.
        process.join(END_SECONDS)
    pipe.close()
    folder.cleanup()


def _name_signal(code):
    """Says which signal it was, and what sends it most often."""
    if code is None:
        return "It closed its pipe."
    try:
        name = signal.Signals(-code).name
    except ValueError:  # A real-time signal.
        name = f"signal {-code}"
    if name == "SIGKILL":
        return (
            f"By {name} (exit code {code}): most likely there is not enough "
            "memory for it."
        )
    return f"By {name} (exit code {code})."


@contextlib.contextmanager
def _standard_error_to(path: pathlib.Path) -> Iterator[None]:
    """Processes that are started in the block write their errors to a file.

    `multiprocessing` has no argument for it, and a process may fail before it
    reaches any line of ours.
    """
    kept = os.dup(2)
    try:
        with path.open("ab") as file:
            os.dup2(file.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


@contextlib.contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    """Processes that are started in the block have these variables."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _serve(pipe, setup, share, evaluator_file):
    """Runs in the other process: answers each task until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # The search handles Ctrl-C.
    # A crash of a library prints Python's stack.
    faulthandler.enable(all_threads=False)
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    try:
        setup.apply(share)
        server = Server(pickle.loads(evaluator_file.read_bytes()))
    except Exception:
        pipe.send(traceback.format_exc())
        return
    pipe.send(None)
    with contextlib.suppress(EOFError):
        while True:
            pipe.send(_answer(server, pipe.recv()))


def _answer(server, arguments_file):
    """Returns an answer, pickled: it may not be possible."""
    try:
        arguments = pickle.loads(arguments_file.read_bytes())
        return pickle.dumps(server.compute(*arguments))
    except Exception:
        return pickle.dumps(Answer(error=traceback.format_exc()))


def _exit_with_parent():
    """Ends this process when the search's is killed."""
    multiprocessing.parent_process().join()
    os._exit(1)
