"""Measures in processes of their own, which print JSON."""

import json
import os
import subprocess
import sys


def measured(words, backend, seconds):
    """Runs a script of Python; returns what it measured.

    Args:
        words: List of what stands on its command line, script first.
        backend: String, that of Keras.
        seconds: Integer, after which it is ended.

    Returns:
        What its last line holds; a string, the reason, if it failed.
    """
    environment = {
        **os.environ,
        "KERAS_BACKEND": backend,
        "TF_CPP_MIN_LOG_LEVEL": "2",
    }
    try:
        process = subprocess.run(
            [sys.executable, *map(str, words)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        return f"not ended after {seconds} s"
    if process.returncode:
        return process.stderr.strip().splitlines()[-1][:200]
    return json.loads(process.stdout.splitlines()[-1])
