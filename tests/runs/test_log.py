"""Standard error, in processes of their own: our lines, and no others."""

import subprocess
import sys

import pytest

SAY = """
import contextlib, faulthandler, logging, os, sys, tempfile, warnings
from nasnet_keras.runs import log

def say():
    os.write(2, b"from C\\n")
    logging.getLogger("tensorflow").warning("a library's record")
    logging.getLogger("tensorflow").error("a library's error")
    logging.getLogger("nasnet_keras").info("not for users")
    logging.getLogger("nasnet_keras").warning("our record")
    warnings.warn("a library's warning")
    ours = log.OUR_FOLDERS[0] + "zoo.py"
    warnings.warn_explicit("our warning", UserWarning, ours, 1)
    print("our line", file=sys.stderr)

faulthandler.enable()
"""
SEEN = [
    "a library's error",
    "our record",
    "UserWarning: our warning",
    "our line",
]


def run(code, **kwargs):
    """Runs code after SAY in a process; returns it, completed."""
    return subprocess.run(
        [sys.executable, "-c", SAY + code],
        capture_output=True,
        text=True,
        **kwargs,
    )


def test_what_libraries_say_is_in_the_log(tmp_path):
    code = """
with log.stderr_to_log("log"):
    with log.stderr_to_log("inner"):
        say()
    os.write(2, b"outer\\n")
say()
"""
    done = run(code, cwd=tmp_path)
    lines = done.stderr.splitlines()
    assert lines[:4] == SEEN
    assert lines[4] == "from C"  # Afterwards all is as before.
    inner = (tmp_path / "inner").read_text()
    for text in ("from C", "library's record", "a library's warning"):
        assert text in inner
    assert "our line" not in inner and "our warning" not in inner
    assert (tmp_path / "log").read_text() == "outer\n"
    assert done.returncode == 0


def test_what_is_set_aside_can_be_shown(tmp_path):
    """And leaves no file behind."""
    code = """
with log.stderr_set_aside() as said:
    for number in range(30):
        os.write(2, b"%d from C\\n" % number)
    text = said()
    os.write(2, b"more\\n")
    assert text.splitlines() == [f"{n} from C" for n in range(10, 30)]
    assert said().splitlines()[-1] == "more"
"""
    done = run(code, env={"TMPDIR": str(tmp_path)})
    assert (done.returncode, done.stderr) == (0, "")
    assert not list(tmp_path.iterdir())


def test_without_a_place_for_files_all_is_shown():
    code = """
def fail(*args, **kwargs):
    raise FileNotFoundError("No usable temporary directory")
tempfile.TemporaryFile = fail
with log.stderr_set_aside() as said:
    say()
    assert said() == ""
"""
    done = run(code)
    assert done.returncode == 0, done.stderr
    assert "from C" in done.stderr


@pytest.mark.parametrize(
    "block",
    [
        "stderr_to_log('log')",
        "stderr_set_aside()",
        "stderr_set_aside(), log.stderr_to_log('log')",
    ],
)
def test_a_crash_shows_the_stack(block, tmp_path):
    code = f"""
with log.{block}:
    os.write(2, b"from C\\n")
    faulthandler._sigsegv()
"""
    done = run(code, cwd=tmp_path)
    assert done.returncode < 0
    assert done.stderr.startswith("Fatal Python error: Segmentation fault")
    assert "from C" not in done.stderr


def test_a_crash_afterwards_shows_the_stack(tmp_path):
    code = """
with log.stderr_set_aside():
    with log.stderr_to_log("log"):
        pass
    faulthandler._sigsegv()
"""
    done = run(code, cwd=tmp_path)
    assert done.stderr.startswith("Fatal Python error: Segmentation fault")
