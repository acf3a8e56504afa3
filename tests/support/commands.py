"""The command `nasnet`: in a process, or in this one, which is quicker."""

import subprocess
import sys

from nasnet_keras.cli import main as cli

NASNET = [sys.executable, "-m", "nasnet_keras.cli.main"]


def nasnet(*words, **kwargs):
    """Runs `nasnet WORDS...` as a user does; returns what it did."""
    return subprocess.run(
        [*NASNET, *map(str, words)], capture_output=True, text=True, **kwargs
    )


def call(*words):
    """Runs `nasnet WORDS...` in this process; returns the exit status."""
    try:
        return cli.main(cli._parse(["nasnet", *map(str, words)]))
    except SystemExit as error:  # argparse's own.
        return error.code
