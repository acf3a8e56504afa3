"""Every error ends in a line and an exit status, never in a traceback."""

import io
import json
import os
import shlex
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest

from nasnet_keras.cli import models
from nasnet_keras.weights.download import DownloadError
from tests.support.commands import NASNET, call


def a_key():
    return {}["x"]


def an_index():
    return [][3]


def an_attribute():
    return None.shape


def a_type():
    return 1 + "1"


def json_text():
    return json.loads("{")


def bytes_of_another_encoding():
    return b"\xff".decode()


def a_zip_file():
    return zipfile.ZipFile(io.BytesIO(b"no archive"))


def a_bomb():
    from PIL import Image

    header = b"P6 60000 60000 255 "
    return Image.open(io.BytesIO(header))


def recursion():
    return recursion()


def an_assertion():
    raise AssertionError("first line\nsecond line")


def not_implemented():
    raise NotImplementedError


INTERNAL = {
    a_key: "KeyError: 'x'",
    an_index: "IndexError: list index out of range",
    an_attribute: "AttributeError: 'NoneType' object has no attribute",
    a_type: "TypeError: unsupported operand",
    json_text: "JSONDecodeError: Expecting property name",
    bytes_of_another_encoding: "UnicodeDecodeError: 'utf-8' codec can't",
    a_zip_file: "BadZipFile: File is not a zip file",
    a_bomb: "DecompressionBombError: Image size (3600000000 pixels)",
    recursion: "RecursionError: maximum recursion depth exceeded",
    an_assertion: "AssertionError: first line (nasnet",
    not_implemented: "NotImplementedError:",
}


def errors_of(run, monkeypatch, capfd):
    """Runs a function as a subcommand; returns status and standard error."""
    monkeypatch.setattr(models, "run", lambda args: run())
    status = call("models")
    return status, capfd.readouterr().err


def test_what_libraries_said_is_shown_before_it(monkeypatch, capfd):
    def run():
        os.write(2, b"From a library.\n")
        return {}["x"]

    _, errors = errors_of(run, monkeypatch, capfd)
    assert errors.startswith("From a library.\nnasnet models: internal error")


@pytest.mark.parametrize("run", INTERNAL)
def test_an_error_that_nobody_expected(run, monkeypatch, capfd):
    status, errors = errors_of(run, monkeypatch, capfd)
    assert status == 1
    assert errors.startswith(f"nasnet models: internal error: {INTERNAL[run]}")
    assert errors.endswith(" (nasnet --debug models ... shows where)\n")
    assert errors.count("\n") == 1


def test_an_error_of_the_backend(monkeypatch, capfd):
    def run():
        keras.ops.convert_to_numpy(
            keras.ops.matmul(np.ones((2, 3)), np.ones((2, 3)))
        )

    if keras.backend.backend() != "tensorflow":
        pytest.skip("others raise a ValueError or TypeError")
    status, errors = errors_of(run, monkeypatch, capfd)
    assert status == 1
    lines = errors.splitlines()
    assert lines[-1].startswith(
        "nasnet models: internal error: InvalidArgumentError: "
    )


@pytest.mark.parametrize(
    "error, status, text",
    [
        (ValueError("`a` must be 1."), 2, "`a` must be 1."),
        (FileNotFoundError(2, "No such file", "x"), 2, "[Errno 2] No such"),
        (ImportError("pip install"), 2, "pip install"),
        (ValueError(), 2, "ValueError"),
        (DownloadError("Weights\nWhat to do: x"), 1, "Weights\nWhat to do: x"),
        (RuntimeError("a child failed"), 1, "a child failed"),
        (MemoryError(), 1, "not enough memory."),
        (KeyboardInterrupt(), 130, "stopped."),
        (BrokenPipeError(32, "a worker's"), 2, "[Errno 32] a worker's"),
    ],
)
def test_an_expected_error(error, status, text, monkeypatch, capfd):
    def run():
        os.write(2, b"From a library.\n")
        raise error

    received, errors = errors_of(run, monkeypatch, capfd)
    assert received == status
    assert errors.startswith(f"nasnet models: {text}")


def test_too_little_memory(monkeypatch, capfd):
    status, errors = errors_of(
        lambda: np.zeros(1 << 60, "uint8"), monkeypatch, capfd
    )
    assert status == 1
    assert errors.startswith("nasnet models: not enough memory. Unable to all")


@pytest.mark.parametrize("words", [("models",), ("models", "--all")])
def test_a_reader_that_has_enough(words):
    """As other tools: silent, ended by SIGPIPE in the eyes of a shell."""
    command = shlex.join([*NASNET, *words])
    done = subprocess.run(
        ["bash", "-c", f"{command} | true; exit ${{PIPESTATUS[0]}}"],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (141, "")


def test_closed_streams(tmp_path):
    """No file gets the number of a stream that was closed."""
    output = tmp_path / "cells.svg"
    command = shlex.join([*NASNET, "plot", "nasnet_a", "--output", str(output)])
    for closed in (">&- 2>&-", "<&- 2>&-"):
        subprocess.run(["bash", "-c", f"{command} {closed}"], check=True)
        assert output.read_text().startswith("<?xml")
    command = shlex.join([*NASNET, "plot", "nasnet_z"])
    done = subprocess.run(
        ["bash", "-c", f"{command} 2>&-"], capture_output=True
    )
    assert (done.returncode, done.stdout) == (2, b"")


COMMANDS = """
import os
from nasnet_keras.cli.main import main

def run(*words):
    assert main(words) == 0, words

run("summary", "nasnet_tiny")
run("plot", "nasnet_a", "--output", "cells.svg")
import keras
from PIL import Image
from nasnet_keras.model_files import save_model
inputs = keras.Input((8, 8, 3))
x = keras.layers.GlobalAveragePooling2D()(inputs)
outputs = keras.layers.Dense(10, activation="softmax")(x)
about = {"class_names": [*"0123456789"], "image_size": 8}
about.update(input_range="0..255", crop=1)
save_model(keras.Model(inputs, outputs), "model.keras", about)
import nasnet_keras
tiny = nasnet_keras.from_preset("nasnet_tiny", weights=None)
tiny.save_weights("tiny.weights.h5")
Image.new("RGB", (8, 8)).save("black.png")
run("predict", "black.png", "--model", "model.keras")
run("convert-data", "digits", "digits.npz", "--image-size", "8")
run("evaluate", "--model", "model.keras", "--data", "digits.npz")
run("convert", "tiny.weights.h5", "--preset", "nasnet_tiny",
    "--output", "converted.weights.h5")
if keras.backend.backend() == "tensorflow":
    run("export", "--model", "model.keras", "--output", "exported")
"""


def test_standard_error_is_empty(tmp_path):
    """No line of TensorFlow's start, or of what follows."""
    done = subprocess.run(
        [sys.executable, "-c", COMMANDS],
        cwd=tmp_path,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "0"},
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    assert done.returncode == 0
    assert "nasnet_tiny at 32x32" in done.stdout


def test_debug_shows_all_at_once(monkeypatch, capfd):
    def run(args):
        os.write(2, b"From a library.\n")
        assert capfd.readouterr().err == "From a library.\n"
        return {}["x"]

    monkeypatch.setattr(models, "run", run)
    with pytest.raises(KeyError):
        call("--debug", "models")
