"""Measures in processes of their own, which print JSON."""

import json
import os
import subprocess
import sys
import tempfile
import threading


class Measuring:
    """A process that measures, once more for each line that it reads.

    Args:
        words: List of what stands on its command line, script first.
        backend: String, that of Keras.
        seconds: Integer, after which it is ended.
        more: Dictionary of environment variables.

    Attributes:
        error: String, why there are no more samples; `None` before that.
    """

    def __init__(self, words, backend, seconds, more=()):
        environment = {
            **os.environ,
            "KERAS_BACKEND": backend,
            "TF_CPP_MIN_LOG_LEVEL": "2",
            **dict(more),
        }
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, *map(str, words)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        self._limit = threading.Timer(seconds, self._process.kill)
        self._limit.daemon = True
        self._limit.start()
        self.error = None

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._limit.cancel()
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._errors.close()

    def sample(self, name=None):
        """Returns a sample; `None` if there is none, see `error`.

        Args:
            name: String, what is measured; `None` for the first sample.
        """
        if self.error:
            return None
        try:
            if name is not None:
                self._process.stdin.write(f"{name}\n")
                self._process.stdin.flush()
            for line in self._process.stdout:
                if line.startswith("{"):  # Libraries print lines of their own.
                    return json.loads(line)
        except BrokenPipeError:
            pass
        self.error = self._reason()
        return None

    def _reason(self):
        code = self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().strip().splitlines()
        return lines[-1][:200] if code > 0 and lines else f"ended with {code}"


def measured(words, backend, seconds):
    """Returns the first sample of a process; a string, the reason, if none.

    Args: Those of `Measuring`.
    """
    with Measuring(words, backend, seconds) as process:
        return process.sample() or process.error
