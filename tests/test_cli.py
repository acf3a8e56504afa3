"""The command `nasnet`, run as a user runs it."""

import json
import re
import subprocess
import sys

import pytest

from nasnet_keras import NASNET_A

NASNET = [sys.executable, "-m", "nasnet_keras.cli"]


def nasnet(*args, **kwargs):
    return subprocess.run(
        [*NASNET, *map(str, args)], capture_output=True, text=True, **kwargs
    )


def test_help_loads_no_backend():
    code = (
        "import sys; from nasnet_keras import cli;"
        "cli.make_parser().format_help();"
        "print([m for m in ('keras', 'tensorflow', 'jax', 'torch', 'numpy',"
        "'keras_tuner', 'matplotlib') if m in sys.modules])"
    )
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert loaded == "[]\n"


@pytest.mark.parametrize(
    "command", ["search", "models", "summary", "plot", "convert", "predict"]
)
def test_every_subcommand_has_help(command):
    result = nasnet(command, "--help")
    assert result.returncode == 0
    assert result.stdout.startswith(f"usage: nasnet {command}")
    assert result.stderr == ""
    assert f"    {command} " in nasnet("--help").stdout


def test_no_flag_is_defined_at_import():
    code = (
        "from absl import app, flags; before = set(flags.FLAGS);"
        "from nasnet_keras import cli; cli.make_parser();"
        "import nasnet_keras.search.command;"
        "assert set(flags.FLAGS) == before"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_summary(tmp_path):
    path = tmp_path / "best.json"
    path.write_text(json.dumps({"genotype": NASNET_A.to_dict()}))
    options = ("--cells-per-stack", 1, "--filters", 4, "--image-size", 16)
    result = nasnet("summary", "nasnet_cifar", "--genotype", path, *options)
    assert result.returncode == 0, result.stderr
    assert "nasnet_cifar of NASNet-A cells at 16x16" in result.stdout
    assert re.search(r"cell_2 +4x4x96 +[\d,]+ +[\d,]+", result.stdout)
    assert result.stdout.splitlines()[-1].startswith("total")


def test_plot(tmp_path):
    result = nasnet("plot", "nasnet_a", "--output", tmp_path / "cells.svg")
    assert result.returncode == 0, result.stderr
    assert "sep 7x7" in (tmp_path / "cells.svg").read_text()


@pytest.mark.parametrize(
    "arguments, named",
    [
        (["plot", "nasnet_z"], "nasnet_z"),
        (["plot", "nasnet_a", "--output", "cells.gif"], "gif"),
        (["summary", "nasnet_cifar", "--filters", "-3"], "filters=-3"),
        (["search", "--trials", "0"], "--trials must be at least 1"),
        (["search", "--dataset", "no/such"], "no/such"),
    ],
)
def test_wrong_input_ends_in_one_line(arguments, named, tmp_path):
    result = nasnet(*arguments, cwd=tmp_path)
    assert result.returncode == 2
    lines = [line for line in result.stderr.splitlines() if "nasnet" in line]
    assert "Traceback" not in result.stderr
    assert named in lines[-1]
    # Nothing is left behind but the empty folder of dated runs.
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_genotype_with_an_unknown_operation(tmp_path):
    data = NASNET_A.to_dict()
    data["normal"]["blocks"][0]["operations"] = ["conv_11x11", "identity"]
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(data))
    result = nasnet("summary", "nasnet_cifar", "--genotype", path)
    assert result.returncode == 2
    assert "conv_11x11" in result.stderr and "register" in result.stderr
