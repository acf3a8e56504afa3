"""Another process that works in a folder."""

import contextlib
import subprocess
import sys

HOLDER = """
import sys
from nasnet_keras.runs.lock import FolderLock
with FolderLock(sys.argv[1]):
    print("locked", flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def another_process_in(folder):
    """Yields a process that has locked the folder, until the block ends.

    Raises:
        AssertionError: If it could not.
    """
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout.readline() == "locked\n"
        yield process
        # `Popen` closes its pipes: it reads the end, and ends.
