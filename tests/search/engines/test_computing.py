"""Threads and graphs in the processes of children."""

import os
import subprocess
from unittest.mock import Mock

import keras
import pytest

from nasnet_keras import NASNET_A
from nasnet_keras.search import Evaluator, Isolated, Network
from nasnet_keras.search.engines import computing
from nasnet_keras.search.engines.computing import (
    Gpu,
    Share,
    make_shares,
    prepare,
    usable_gpus,
    usual_kernels,
    usual_threads,
)


class Settings(Evaluator):
    """Measures how its process computes."""

    def measure(self, genotype):
        import tensorflow as tf

        options = tf.config.optimizer.get_experimental_options()
        threads = tf.config.threading.get_intra_op_parallelism_threads()
        return {
            "val_accuracy": 0.5,
            "threads": threads,
            "as_traced": options["disable_meta_optimizer"],
            "cores": sorted(os.sched_getaffinity(0)),
        }, []


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="reads TensorFlow's"
)
@pytest.mark.parametrize(
    "side, threads, expected", [(8, None, 1), (32, None, 0), (32, 3, 3)]
)
def test_what_a_process_is_told(side, threads, expected):
    """0 is TensorFlow's own number."""
    network = Network(1, 4, side, 10)
    isolated = Isolated(Settings(network), threads=threads)
    found = isolated(NASNET_A).measurements
    isolated.close()
    assert found["threads"] == expected
    assert found["as_traced"]
    assert found["parameters"] == network.count(NASNET_A).parameters


def test_one_thread_for_small_images():
    assert [usual_threads(side) for side in (7, 8, 9, None)] == [
        1,
        1,
        None,
        None,
    ]
    for wrong in (0, -1, 1.5, True):
        with pytest.raises(ValueError, match="`threads` must be"):
            Isolated(Settings(), threads=wrong)


class Variables(Evaluator):
    """Measures the environment in which its process imported Keras."""

    def measure(self, genotype):
        found = os.environ.get("TF_ENABLE_ONEDNN_OPTS")
        return {"val_accuracy": 0.5, "onednn": found}, []


@pytest.mark.parametrize("side, expected", [(8, None), (16, "1")])
def test_onednn_is_for_larger_images(monkeypatch, side, expected):
    """In the workers alone; what the user has set stays."""
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)
    evaluator = Variables(Network(1, 2, side, 2))
    isolated = Isolated(evaluator)
    try:
        measured, _ = isolated.submit(NASNET_A).result()[1:]
        assert measured["onednn"] == expected
    finally:
        isolated.close()
    assert "TF_ENABLE_ONEDNN_OPTS" not in os.environ
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    assert usual_kernels(side) == {}


@pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="the system cannot pin"
)
def test_each_worker_has_cores_of_its_own(monkeypatch):
    monkeypatch.setattr(computing, "_core_numbers", lambda: [2, 3, 6, 7])
    assert [share.cores for share in make_shares(2)] == [(2, 3), (6, 7)]
    # Three cannot have as many each; five have none of their own.
    assert {share.cores for share in make_shares(3)} == {()}
    assert {share.cores for share in make_shares(5)} == {()}


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow"
    or len(os.sched_getaffinity(0)) != 2,
    reason="two workers on two cores",
)
def test_a_process_runs_on_its_cores():
    isolated = Isolated(Settings(), workers=2)
    futures = [isolated.submit(NASNET_A) for _ in range(2)]
    found = [future.result().measurements["cores"] for future in futures]
    isolated.close()
    assert sorted(found) == [[core] for core in os.sched_getaffinity(0)]


LISTED = "0, GPU-aaa, 81559\n1, GPU-bbb, 40960\n2, GPU-ccc, 81559\n"


@pytest.fixture
def three_gpus(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    found = subprocess.CompletedProcess([], 0, stdout=LISTED)
    monkeypatch.setattr(computing.subprocess, "run", Mock(return_value=found))
    monkeypatch.setattr(computing, "has_gpu", lambda: True)


def test_gpus_are_shared_out(three_gpus):
    shares = make_shares(6)
    names = [f"GPU-{letters}" for letters in ("aaa", "bbb", "ccc")]
    assert [share.gpu.uuid for share in shares] == names * 2
    assert {share.gpu_part for share in shares} == {0.45}
    assert [share.gpu_part for share in make_shares(3)] == [0.9] * 3


@pytest.mark.parametrize("visible", ["0,2", "GPU-aaa,GPU-ccc", "2, 0"])
def test_gpus_that_are_hidden_are_not_used(three_gpus, monkeypatch, visible):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert usable_gpus() == [Gpu("GPU-aaa", 81559), Gpu("GPU-ccc", 81559)]


def test_without_the_tool_there_is_no_gpu(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert usable_gpus() == []


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="TensorFlow's limit"
)
def test_the_memory_of_a_gpu_is_limited(monkeypatch):
    """There is none here: what TensorFlow is told."""
    import tensorflow as tf

    told = Mock()
    monkeypatch.setattr(
        tf.config, "list_physical_devices", lambda kind: ["a GPU"]
    )
    monkeypatch.setattr(tf.config, "set_logical_device_configuration", told)
    for name in ("CUDA_VISIBLE_DEVICES", "XLA_PYTHON_CLIENT_MEM_FRACTION"):
        monkeypatch.setenv(name, "")
    options = Mock()
    monkeypatch.setattr(
        tf.config.optimizer, "set_experimental_options", options
    )
    prepare(Share(gpu=Gpu("2", 40000), gpu_part=0.45))
    device, (limits,) = told.call_args.args
    assert device == "a GPU" and limits.memory_limit == 18000
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "2"
    assert os.environ["XLA_PYTHON_CLIENT_MEM_FRACTION"] == "0.450"
