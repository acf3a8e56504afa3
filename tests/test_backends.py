"""TensorFlow, JAX and torch compute the same, without each other.

The others are compared with the first one that is installed.
"""

import importlib.util
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from tests.support.recorder import assert_rates
from tests.support.sources import relative_error

ROOT = pathlib.Path(__file__).resolve().parents[1]
BACKENDS = ["tensorflow", "torch", "jax"]
REFERENCE = next(filter(importlib.util.find_spec, BACKENDS))
OTHERS = [backend for backend in BACKENDS if backend != REFERENCE]
SIZES = ["16x16", "17x15"]
EVERYTHING = "everything"  # A file in the folder: all families, not two.


SCRIPT = """
import pathlib, sys
if {blocked}:
    sys.modules["tensorflow"] = None  # Any import of it fails.
from tests import backend_probe
backend_probe.main(pathlib.Path(sys.argv[1]), everything={everything})
"""


def probe(backend, folder):
    """Runs the probe in an interpreter of its own and returns its results."""
    results = folder / f"{backend}.npz"
    if not results.exists():
        script = SCRIPT.format(
            blocked=backend != "tensorflow",
            everything=(folder / EVERYTHING).exists(),
        )
        process = subprocess.run(
            [sys.executable, "-c", script, str(folder)],
            cwd=ROOT,
            env={
                **os.environ,
                "KERAS_BACKEND": backend,
                # Compiling takes longer than computing.
                "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
                # Threads that wait for each other are slow on busy cores.
                "OMP_NUM_THREADS": "1",
            },
            timeout=400,
            capture_output=True,
            text=True,
        )
        assert process.returncode == 0, process.stderr[-5000:]
    with np.load(results) as file:
        return dict(file)


@pytest.fixture(scope="session")
def folder(tmp_path_factory, pytestconfig):
    """Inputs for all, and a model that this process saved, with its outputs."""
    from nasnet_keras import NASNet
    from tests.support.genotypes import TWO_BLOCKS
    from tests.support.sources import perturb_batch_norm

    folder = tmp_path_factory.mktemp("backends")
    if pytestconfig.getoption("--all"):
        (folder / EVERYTHING).touch()
    rng = np.random.default_rng(1)
    inputs = {}
    for size in SIZES:
        shape = (4, *map(int, size.split("x")), 3)
        inputs[size] = rng.normal(size=shape).astype("float32")
        # A channel below zero, where a zero of the padding would win.
        inputs[size][..., 0] -= 4
    np.savez(folder / "inputs.npz", **inputs)
    model = NASNet(
        TWO_BLOCKS,
        cells_per_stack=1,
        filters=2,
        stem="cifar",
        classes=5,
        pooling_semantics="keras",
        drop_path_rate=0.3,
        dropout_rate=0.5,
    )
    perturb_batch_norm(model)
    model.save(folder / "saved.keras")
    outputs = model.predict(inputs["17x15"], verbose=0)
    np.savez(folder / "saved.npz", outputs=outputs)
    return folder


@pytest.fixture(scope="session")
def reference(folder):
    return probe(REFERENCE, folder)


@pytest.fixture(scope="session", params=OTHERS)
def other(request, folder):
    pytest.importorskip(request.param)
    return probe(request.param, folder)


@pytest.fixture(scope="session", params=BACKENDS)
def each(request, folder):
    pytest.importorskip(request.param)
    return probe(request.param, folder)


def assert_equal(actual, expected, prefix):
    """All results whose names begin with `prefix`, to 1e-4."""
    names = sorted(name for name in expected if name.startswith(prefix))
    assert names
    assert names == sorted(name for name in actual if name.startswith(prefix))
    errors = {
        name: relative_error(actual[name], expected[name]) for name in names
    }
    assert max(errors.values()) < 1e-4, errors
    return names


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "semantics, count",
    [
        # 13 operations at both strides, 4 pools also alone; the reduction.
        ("tf_slim", 13 * 2 + 4 * 2 + 1),
        # The semantics concerns the pools.
        ("keras", 4 * 2 * 2),
    ],
)
def test_operations(reference, other, semantics, count, size):
    prefix = f"operations/{semantics}/{size}/"
    assert len(assert_equal(other, reference, prefix)) == count


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("semantics", ["tf_slim", "keras"])
def test_network_of_unknown_size(reference, other, semantics, size):
    assert_equal(other, reference, f"any size/{semantics}/{size}")


def test_outputs_depend_on_input_and_semantics(reference):
    """Otherwise the comparisons above would show little."""
    for size in SIZES:
        slim = reference[f"any size/tf_slim/{size}"]
        zeros = reference[f"any size/keras/{size}"]
        assert relative_error(slim, zeros) > 1e-2
        assert relative_error(slim[1:], slim[:-1]) > 1e-2


def test_network_of_fixed_size(reference, other):
    assert_equal(other, reference, "fixed size/")
    fixed = reference["fixed size/keras/17x15"]
    any_size = reference["any size/keras/17x15"]
    assert relative_error(fixed, any_size) < 1e-4


def test_training_step(reference, other):
    """The loss, and every weight and moving statistic after the step."""
    assert_equal(other, reference, "train/loss")
    assert 1e-2 < reference["train/loss"] < 100
    names = assert_equal(other, reference, "train/weights/")
    variances = [name for name in names if name.endswith("moving_variance")]
    assert len(variances) > 20


def test_rematerialized_step(each):
    """The same loss, weights and averages on each backend."""
    plain = {k: v for k, v in each.items() if k.startswith("train/")}
    again = {k.replace("train/", "remat/"): v for k, v in plain.items()}
    assert_equal(each, again, "remat/")


def test_presets(reference, other, pytestconfig):
    """At test size, on images of another size than their own."""
    names = assert_equal(other, reference, "presets/")
    assert len(names) == (8 if pytestconfig.getoption("--all") else 2)
    for name in names:
        x = reference[name]
        assert x.std(-1).min() > 1e-3, name  # The classes differ.
        assert relative_error(x[0], x[1]) > 1e-3, name  # The images do.


def test_channels_first(reference, other):
    """Where the backend runs it: TensorFlow on a CPU does not."""
    names = [name for name in other if name.startswith("first/")]
    assert len(names) >= 2
    for name in names:
        expected = reference[name.replace("first/", "presets/")]
        assert relative_error(other[name], expected) < 1e-4, name


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision(each, policy):
    actual, expected = each[f"policy/{policy}"], each["policy/float32"]
    assert actual.dtype == "float32"
    error = relative_error(actual, expected)
    assert 1e-6 < error < 0.05


@pytest.mark.parametrize("what", ["layer", "cell"])
def test_scheduled_drop_path_is_seen_within_an_epoch(each, what):
    """In each compiled step; a second `fit` continues."""
    rates = 0.6 * np.arange(6) / 6
    assert_rates(each[f"schedule/{what}"], rates, examples=1024)


def test_scheduled_drop_path_with_steps_per_execution(each):
    """Two steps in one execution use the rate of the first.

    An epoch has three steps here: the third runs alone.
    """
    rates = 0.6 * np.array([0, 0, 2, 3, 3, 5]) / 6
    name = "schedule/layer, two steps at once"
    if name not in each:
        pytest.skip("Keras runs one step at a time on torch")
    observed = each[name]
    assert_rates(observed, rates, examples=1024)


def test_no_tensorflow_behind_the_others(reference, other):
    assert reference["has tensorflow"] == (REFERENCE == "tensorflow")
    assert not other["has tensorflow"]


def test_model_saved_by_another_loads(each, folder):
    with np.load(folder / "saved.npz") as file:
        expected = file["outputs"]
    assert relative_error(each["loaded"], expected) < 1e-4


def test_few_channels_train_on_torch(folder):
    """No crash and no hang, or the probe would have failed."""
    pytest.importorskip("torch")
    assert probe("torch", folder)["few channels"]
