"""The command `nasnet`, run as a user runs it."""

import dataclasses
import json
import os
import re
import subprocess
import sys

import pytest

import nasnet_keras
from nasnet_keras import NASNET_A
from nasnet_keras.networks import build
from nasnet_keras.summary import summarize
from tests.support.commands import call, nasnet


def test_help_loads_no_backend():
    code = (
        "import sys; from nasnet_keras.cli import main as cli;"
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
        "from nasnet_keras.cli import main as cli; cli.make_parser();"
        "import nasnet_keras.search.commands.search;"
        "assert set(flags.FLAGS) == before"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_summary(tmp_path):
    path = tmp_path / "best.json"
    path.write_text(json.dumps({"genotype": NASNET_A.to_dict()}))
    options = ("--cells-per-stack", 1, "--filters", 4, "--image-size", 16)
    result = nasnet("summary", "nasnet_cifar", "--genotype", path, *options)
    assert (result.returncode, result.stderr) == (0, "")
    assert "nasnet_cifar of NASNet-A cells at 16x16" in result.stdout
    assert re.search(r"cell_2 +4x4x96 +[\d,]+ +[\d,]+", result.stdout)
    assert result.stdout.splitlines()[-1].startswith("total")


def printed_rows(output):
    """The lines of a summary as words, without the two of its heading."""
    return [line.split() for line in output.splitlines()[2:]]


@pytest.mark.parametrize("preset", ["nasnet_tiny", "darts_cifar_tiny"])
def test_summary_counts_what_a_built_model_has(preset, capsys):
    assert not call("summary", preset)
    *rows, _ = printed_rows(capsys.readouterr().out)
    model = nasnet_keras.from_preset(preset, weights=None)
    assert rows == [
        [
            row.name,
            "x".join(map(str, row.output_shape)),
            f"{row.parameters:,}",
            f"{row.macs:,}",
        ]
        for row in summarize(model)
    ]


def test_summary_of_a_preset_with_an_auxiliary_head(tmp_path, capsys):
    tiny = nasnet_keras.get_preset("nasnet_tiny")
    preset = dataclasses.replace(
        tiny, configuration={**tiny.configuration, "auxiliary_head": True}
    )
    (tmp_path / "config.json").write_text(json.dumps(preset.to_dict()))
    assert not call("summary", tmp_path, "--image-size", 96)
    names = [row[0] for row in printed_rows(capsys.readouterr().out)]
    assert {"auxiliary_predictions", "predictions"} <= set(names)


def test_summary_builds_no_network(monkeypatch, capsys):
    """Large takes minutes to build, and seconds to count."""

    def fail(*args, **kwargs):
        raise AssertionError

    monkeypatch.setattr(build, "build_network", fail)
    assert not call("summary", "nasnet_large")
    total = printed_rows(capsys.readouterr().out)[-1]
    assert total == ["total", "88,949,818", "23,783,414,658"]


@pytest.mark.parametrize(
    "words", [("--debug", "summary", "x"), ("summary", "x", "--debug")]
)
def test_debug_shows_the_traceback(words):
    result = nasnet(*words)
    assert result.returncode == 1
    assert "Traceback" in result.stderr
    assert "ValueError: `preset` must be one of" in result.stderr
    assert "Traceback" not in nasnet("summary", "x").stderr


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
        (["summary", "nasnet_huge"], "nasnet_huge"),
        (["predict", "a.jpg", "--preset", "nasnet_tiny"], "no weights of"),
        (
            ["convert", "a.h5", "--preset", "nasnet_tiny", "--output", "a.h5"],
            "--output must end in .weights.h5",
        ),
        (["summary", "--image-size", "0"], "image_size=0"),
        (["summary", "--cells-per-stack", "100000"], "at most 1000"),
        (["summary", "--filters", "100000000000000"], "at most 4096"),
        (["plot", ""], "nasnet: an argument is empty"),
        (["predict", "a.png", "", "--preset", "p"], "an argument is empty"),
        (["evaluate", "--data="], "nasnet: what follows --data= is empty"),
        (["train", "--directory=", "--seed=1"], "what follows --directory="),
        (["search", "--directory", "run", "--data="], "follows --data="),
        (["train", "--growing-sizes=", "--weights="], "follows --weights="),
        (["export", "--model", "m", "--output", ""], "follows --output is"),
        (["convert-data", "digits", "d.npz", "--image-size", "0"], "size must"),
        (["predict", "a", "--model", "m", "--image-size", "0"], "size must"),
        (["evaluate", "--model", "m", "--image-size", "0"], "size must be at"),
        (["evaluate", "--model", "m", "--output", "."], "--output must be a"),
        (["search", "--trials", "0"], "--trials must be at least 1"),
        (["search", "--dataset", "no/such"], "no/such"),
    ],
)
def test_wrong_input_ends_in_one_line(
    arguments, named, tmp_path, monkeypatch, capfd
):
    monkeypatch.chdir(tmp_path)
    assert call(*arguments) == 2
    errors = capfd.readouterr().err
    lines = [line for line in errors.splitlines() if "nasnet" in line]
    assert "Traceback" not in errors
    assert named in lines[-1]
    # Nothing is left behind but the empty folder of dated runs.
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_genotype_with_an_unknown_operation(tmp_path, capfd):
    data = NASNET_A.to_dict()
    data["normal"]["blocks"][0]["operations"] = ["conv_11x11", "identity"]
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(data))
    assert call("summary", "nasnet_cifar", "--genotype", path) == 2
    errors = capfd.readouterr().err
    assert "conv_11x11" in errors and "register" in errors


def test_models_is_the_table_and_loads_no_backend():
    result = nasnet("models")
    assert result.returncode == 0 and result.stderr == ""
    lines = result.stdout.splitlines()
    (row,) = (x for x in lines if x.startswith("nasnet_large"))
    for text in ("88,949,818", "88.9 M", "23,783.4 M", "23.8 B", "imagenet"):
        assert text in row
    assert "nasnet_tiny" not in result.stdout
    assert "nasnet_tiny" in nasnet("models", "--all").stdout


@pytest.fixture
def checkpoint(shared_data, tmp_path):
    """A TF-slim checkpoint, its recorded outputs, a preset folder for it."""
    pytest.importorskip("tensorflow")  # It reads the checkpoint.
    folder = shared_data("tf_slim_reference", "nasnet_mobile_tiny")
    preset = nasnet_keras.Preset(
        "reference",
        {"cells_per_stack": 4, "filters": 8, "classes": 10},
        image_size=96,
    )
    path = tmp_path / "preset"
    path.mkdir()
    (path / "config.json").write_text(json.dumps(preset.to_dict()))
    return folder, path


LOAD = """
import sys; sys.modules["tensorflow"] = None  # Any import of it fails.
import nasnet_keras, numpy as np
_, preset, weights, reference = sys.argv
model = nasnet_keras.from_preset(
    preset, weights=weights, classifier_activation=None
)
with np.load(reference) as arrays:
    x, expected = arrays["input"], arrays["logits_ema"][:, 1:]
logits = model.predict(x, verbose=0)
print(np.abs(logits - expected).max() / np.abs(expected).max())
"""


@pytest.mark.long
def test_convert_for_a_backend_without_tensorflow(checkpoint, tmp_path, capfd):
    """The authors' checkpoint, converted here, gives their logits there."""
    pytest.importorskip("torch")
    folder, preset = checkpoint
    prefix, output = folder / "model.ckpt", tmp_path / "out" / "a.weights.h5"
    words = ("convert", prefix, "--preset", preset, "--output", output)
    assert not call(*words)
    report = capfd.readouterr().out
    assert re.search(r"\d+ variables, \d+ of them moving", report)
    assert [path.name for path in output.parent.iterdir()] == [output.name]
    reference = folder / "reference.npz"
    process = subprocess.run(
        [sys.executable, "-c", LOAD, preset, output, reference],
        env={**os.environ, "KERAS_BACKEND": "torch"},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr
    assert float(process.stdout) < 1e-4
    assert call(*words) == 2
    assert "exists" in capfd.readouterr().err


def test_convert_the_wrong_network(checkpoint, tmp_path, capfd):
    folder, _ = checkpoint
    output = tmp_path / "a.keras"
    code = call(
        *("convert", folder / "model.ckpt", "--output", output),
        *("--preset", "nasnet_tiny"),
    )
    assert code == 2
    errors = capfd.readouterr().err
    assert "misshapen" in errors and "extra" in errors
    assert not output.exists()


def test_convert_the_body_as_a_whole_model(tmp_path):
    import keras

    source, output = tmp_path / "a.weights.h5", tmp_path / "body.keras"
    trained = nasnet_keras.from_preset("nasnet_cifar_tiny", weights=None)
    trained.save_weights(source)
    assert not call(
        *("convert", source, "--output", output, "--no-top"),
        *("--preset", "nasnet_cifar_tiny"),
    )
    body = keras.models.load_model(output)
    assert body.output_shape == (None, 4, 4, 96)
    for a, b in zip(body.get_weights(), trained.get_weights()):
        assert (a == b).all()
