"""The journal and atomic writing, with real files and processes."""

import os
import signal
import subprocess
import sys
import time

import pytest

from nasnet_keras.runs.files import write_atomically
from nasnet_keras.runs.interrupts import uninterrupted
from nasnet_keras.search.oracles.journal import Journal


def test_what_is_appended_is_read(tmp_path):
    journal = Journal(tmp_path / "new" / "trials.jsonl")
    journal.append({"trial": 0})
    journal.append({"trial": 1, "text": "two\nlines"})
    journal.close()
    again = Journal(tmp_path / "new" / "trials.jsonl")
    assert again.read() == [{"trial": 0}, {"trial": 1, "text": "two\nlines"}]


@pytest.mark.parametrize("torn", ['{"tri', '{"trial": 1}', "\x00\x00"])
def test_an_unfinished_line_is_cut_off(tmp_path, torn):
    path = tmp_path / "trials.jsonl"
    path.write_text('{"trial": 0}\n' + torn)
    journal = Journal(path)
    assert journal.read() == [{"trial": 0}]
    journal.append({"trial": 1})
    journal.close()
    assert Journal(path).read() == [{"trial": 0}, {"trial": 1}]


def test_a_damaged_finished_line_is_an_error_that_names_it(tmp_path):
    path = tmp_path / "trials.jsonl"
    path.write_text('{"trial": 0}\nnonsense\n')
    with pytest.raises(ValueError, match=r"trials.jsonl, line 2"):
        Journal(path).read()


def test_one_process_at_a_time(tmp_path):
    path = tmp_path / "trials.jsonl"
    journal = Journal(path)
    code = (
        "from nasnet_keras.search.oracles.journal import Journal; "
        f"Journal({str(path)!r})"
    )
    other = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True
    )
    assert "Another process is searching" in other.stderr
    journal.close()
    subprocess.run([sys.executable, "-c", code], check=True)


def test_atomic_writing_leaves_old_or_new(tmp_path):
    path = tmp_path / "best.json"
    write_atomically(path, "old")
    with pytest.raises(TypeError):
        write_atomically(path, 3.5)
    assert path.read_text() == "old"
    write_atomically(path, b"new")
    assert path.read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["best.json"]


def test_ctrl_c_waits_for_the_end_of_a_block():
    steps = []
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.01)
        steps.append("the rest of the block")
    assert steps == ["the rest of the block"]
    with pytest.raises(KeyboardInterrupt):  # As before the block.
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1)


def test_an_error_in_a_block_is_not_hidden():
    with pytest.raises(OSError, match="full"), uninterrupted():
        raise OSError("the disk is full")
