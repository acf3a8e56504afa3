"""Runs `nasnet` in a process of its own, or in this one, which is faster."""

import subprocess
import sys

from nasnet_keras.cli import main as cli

NASNET = [sys.executable, "-m", "nasnet_keras.cli.main"]


def nasnet(*words, **kwargs):
    """Runs `nasnet WORDS...` in a process; returns the completed process."""
    return subprocess.run(
        [*NASNET, *map(str, words)], capture_output=True, text=True, **kwargs
    )


def call(*words):
    """Runs `nasnet WORDS...` in this process; returns the exit status."""
    try:
        return cli.main([*map(str, words)])
    except SystemExit as error:  # By argparse.
        return error.code
