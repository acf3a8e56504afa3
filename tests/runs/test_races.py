"""Starts at once and kills at every step, by `benchmarks/races.py`."""

import json
import pathlib
import subprocess
import sys

import pytest

SCRIPT = pathlib.Path(__file__).parents[2] / "benchmarks" / "races.py"


@pytest.mark.parametrize(
    "kind, rounds, every",
    [
        ("search", 2, 20),
        pytest.param("search", 20, 1, marks=pytest.mark.long),
        pytest.param("training", 10, 2, marks=pytest.mark.long),
    ],
)
def test_nothing_is_refused_and_nothing_mixed(tmp_path, kind, rounds, every):
    output = tmp_path / "races.json"
    options = ("--kind", kind, "--rounds", rounds, "--every", every)
    done = subprocess.run(
        [sys.executable, SCRIPT, *map(str, options), "--output", output],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(output.read_text())[kind]
    assert found["races"] == rounds and found["kills"] > 60 / every - 1
    assert found["failures_of_races"] == found["failures_after_kills"] == []
