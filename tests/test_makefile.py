"""`make lint`, `make test-all`, pre-commit and CI: what each of them runs."""

import os
import pathlib
import shutil
import subprocess

import pytest

from tests.support import check_types

ROOT = pathlib.Path(__file__).parents[1]
PARTS = ("networks", "backends", "weights", "training", "search")


def dry_run(*words):
    """Returns the commands that `make` would run, one string each."""
    if shutil.which("make") is None:
        pytest.skip("there is no make on this machine")
    # Not what was given to the `make test` that runs this.
    inherited = ("MAKE", "MFLAGS", "ARGS", "PART")
    process = subprocess.run(
        ["make", "--dry-run", "VENV=.venv", *words],
        cwd=ROOT,
        env={
            k: v for k, v in os.environ.items() if not k.startswith(inherited)
        },
        capture_output=True,
        text=True,
        check=True,
    )
    return process.stdout.splitlines()


def files_of_part(part):
    """Returns the paths of the test files that a part runs."""
    (command,) = (
        line
        for line in dry_run("test-all", f"PART={part}")
        if " -m pytest " in line
    )
    names = command.split("--all")[1].split()
    paths = [ROOT / name for name in names]
    return [
        file
        for path in paths
        for file in (path.rglob("test_*.py") if path.is_dir() else [path])
    ]


def test_every_test_file_is_in_one_part():
    files = [file for part in PARTS for file in files_of_part(part)]
    assert sorted(files) == sorted((ROOT / "tests").rglob("test_*.py"))


def test_all_parts_are_run_by_default():
    commands = [line for line in dry_run("test-all") if "--all" in line]
    alone = [dry_run("test-all", f"PART={part}")[-1] for part in PARTS]
    assert commands == alone


def test_pre_commit_runs_the_commands_of_lint():
    yaml = pytest.importorskip("yaml")
    text = (ROOT / ".pre-commit-config.yaml").read_text()
    (repository,) = yaml.safe_load(text)["repos"]
    hooks = repository["hooks"]
    assert not any(hook["pass_filenames"] for hook in hooks)
    # What is run before these installs the environment.
    commands = [
        line
        for line in dry_run("lint")
        if line.startswith(".venv/bin/") and "/pip " not in line
    ]
    assert commands == [hook["entry"] for hook in hooks]


def test_continuous_integration_runs_lint_and_the_tests():
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    limit = "timeout --signal=INT --kill-after=120 4500"
    assert lines[-2:] == ["make lint", f"{limit} make test"]
    assert "set -euo pipefail" in lines


def test_types_are_checked_in_the_layout_of_the_package(tmp_path):
    """Not in that of the repository, where `search/` is a separate folder."""
    check_types.link_package(tmp_path)
    setup = (ROOT / "setup.py").read_text()
    for source, place in check_types.PLACES.items():
        assert f'"{place.replace("/", ".")}": "{source}"' in setup
        assert (tmp_path / place / "__init__.py").exists()
    assert (tmp_path / "nasnet_keras" / "py.typed").exists()
