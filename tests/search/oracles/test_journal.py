"""The journal and atomic writing, with real files and processes."""

import json
import os
import resource
import signal
import subprocess
import sys
import time

import pytest

from nasnet_keras.runs.files import DamagedFileError, write_atomically
from nasnet_keras.runs.interrupts import uninterrupted
from nasnet_keras.search.oracles.journal import Journal, to_line


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


RECORDS = [
    {"trial": i, "score": i / 7, "values": {"a": "conv_3x3"}, "message": "é\n"}
    for i in range(3)
]


def journal_of(path, lines):
    path.write_bytes(b"".join(lines))
    journal = Journal(path)
    try:
        return journal.read()
    finally:
        journal.close()


@pytest.mark.parametrize("old", [0, 1, 2])
def test_every_flipped_bit_is_found(tmp_path, old):
    """Of the lines with a checksum, whatever comes before them."""
    first = [json.dumps(r).encode() + b"\n" for r in RECORDS[:old]]
    rest = b"".join(map(to_line, RECORDS[old:]))
    path = tmp_path / "trials.jsonl"
    assert journal_of(path, [*first, rest]) == RECORDS
    for position in range(len(rest)):
        for bit in range(8):
            damaged = bytearray(rest)
            damaged[position] ^= 1 << bit
            content = [*first, bytes(damaged)]
            with pytest.raises(DamagedFileError) as error:
                journal_of(path, content)
            number = old + 1 + rest[:position].count(b"\n")
            assert f"{path}, line {number} is damaged" in str(error.value)
            assert "Restore a copy" in str(error.value)


def test_a_full_disk_leaves_the_file_as_before(tmp_path):
    """Part of the line fits; nothing of it is written later either."""
    path = tmp_path / "trials.jsonl"
    journal = Journal(path)
    journal.append(RECORDS[0])
    before = path.read_bytes()
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 9, limits[1]))
    try:
        with pytest.raises(OSError) as error:
            journal.append(RECORDS[1])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert str(path) in str(error.value)
    assert path.read_bytes() == before
    journal.append(RECORDS[1])
    assert journal.read() == RECORDS[:2]
    journal.close()


def test_numbers_that_json_lacks_are_null(tmp_path):
    journal = Journal(tmp_path / "trials.jsonl")
    journal.append({"trial": 0, "curve": [0.5, float("nan"), float("inf")]})
    assert journal.read() == [{"trial": 0, "curve": [0.5, None, None]}]
    journal.close()
    assert b"NaN" not in journal.path.read_bytes()
