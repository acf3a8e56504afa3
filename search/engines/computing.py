"""What a process that does nothing but train children has of the machine.

On two cores a training step of a child took, with images of 8 pixels, 34 ms of
one thread, or 45 ms of two that used 70 ms of processor time. TensorFlow's
graph optimizer took a fifth of the time of the first step (2.2 s, without it
1.7 s), and the other steps were no faster for it.

With oneDNN's kernels, which TensorFlow leaves off on AMD's processors, a step
took 1.2 times as long with images of 8 pixels; with 16, 32 and 64 pixels it
took 0.6, 0.5 and 0.6 of the time (`benchmarks/speed/onednn.py`).
"""

from __future__ import annotations

import math
import os
import subprocess
from typing import NamedTuple

import keras

SMALL_SIDE = 8  # Pixels.
ONEDNN = "TF_ENABLE_ONEDNN_OPTS"
# Of a GPU's memory, for all workers on it; the driver needs some, too.
GPU_PART = 0.9
# A process that these are set in takes memory of a GPU as it needs it.
GROWING = {
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
}


class Gpu(NamedTuple):
    """A GPU: its name for CUDA, which may count otherwise; its memory."""

    uuid: str
    megabytes: int


class Share(NamedTuple):
    """What a worker has of its machine.

    Args:
        threads: Integer, of each operation; `None` for the library's own
            number.
        cores: Tuple of the numbers of the cores that it may use; `()` for all.
        gpu: `Gpu`, or `None` for what the library takes.
        gpu_part: Float, the part of the GPU's memory.
    """

    threads: int | None = None
    cores: tuple[int, ...] = ()
    gpu: Gpu | None = None
    gpu_part: float = GPU_PART


def usual_threads(side: int | None, workers: int = 1) -> int | None:
    """Returns the threads of a process; `None` for the library's own number.

    Args:
        side: Integer, pixels of the images; `None` if unknown.
        workers: Integer, the processes that share the cores.
    """
    if side is not None and side <= SMALL_SIDE:
        return 1
    return None if workers == 1 else max(1, usable_cores() // workers)


def usual_kernels(side: int | None) -> dict[str, str]:
    """Returns the environment variables that choose TensorFlow's kernels.

    It reads them when it is imported. What the user has set stays.

    Args:
        side: Integer, pixels of the images; `None` if unknown.
    """
    if side is None or side <= SMALL_SIDE or ONEDNN in os.environ:
        return {}
    return {ONEDNN: "1"}


def usable_cores() -> int:
    """Returns the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Not on every system.
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def usable_gpus() -> list[Gpu]:
    """Returns the GPUs that this process may use; nothing is computed on them.

    Those of NVIDIA alone: their own tool tells.
    """
    query = "--query-gpu=index,uuid,memory.total"
    command = ["nvidia-smi", query, "--format=csv,noheader,nounits"]
    try:
        listed = subprocess.run(
            command, capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return []
    rows = [line.split(", ") for line in listed.splitlines() if line.strip()]
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        wanted = [name.strip() for name in visible.split(",")]
        rows = [row for row in rows if {row[0], row[1]} & set(wanted)]
    # Some systems do not tell the memory.
    return [Gpu(row[1], int(row[2])) for row in rows if row[2].isdigit()]


def make_shares(workers: int, threads: int | None = None) -> list[Share]:
    """Returns what each of several workers has of this machine.

    Where there are fewer workers than cores, each has cores of its own. Of
    GPUs each has one; several on the same share its memory.

    Args:
        workers: Integer.
        threads: Integer, of each; `None` for the library's own number.
    """
    gpus = usable_gpus() if has_gpu() else []
    cores = _split(_core_numbers(), workers)
    together = math.ceil(workers / len(gpus)) if gpus else 1
    return [
        Share(
            threads,
            cores[place],
            gpus[place % len(gpus)] if gpus else None,
            GPU_PART / together,
        )
        for place in range(workers)
    ]


def _core_numbers():
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return []


def _split(cores, workers):
    """Returns a tuple of cores for each worker; `()` leaves it free.

    If they cannot have as many each, it is better that the system decides.
    """
    if len(cores) % workers:
        return [()] * workers
    each = len(cores) // workers
    return [tuple(cores[n * each : (n + 1) * each]) for n in range(workers)]


def has_gpu() -> bool:
    """Whether the backend computes on a GPU.

    To know it, the backend takes hold of it: here no more of its memory than is
    used, the rest is for the workers.
    """
    for name, value in GROWING.items():
        os.environ.setdefault(name, value)
    if keras.backend.backend() == "torch":
        import torch

        return torch.cuda.is_available()
    return any(
        "gpu" in device.lower() or "cuda" in device.lower()
        for device in keras.distribution.list_devices()
    )


def prepare(share: Share) -> None:
    """Limits this process to its share, and leaves graphs as they are traced.

    Before anything is computed.

    Args:
        share: `Share`.
    """
    if share.cores:
        os.sched_setaffinity(0, share.cores)
    if share.gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = share.gpu.uuid
        # Read by JAX when it finds the GPU.
        os.environ["XLA_PYTHON_CLIENT_MEM_FRACTION"] = f"{share.gpu_part:.3f}"
    backend = keras.backend.backend()
    if backend == "tensorflow":
        _prepare_tensorflow(share)
    elif backend == "torch":
        _prepare_torch(share)


def _prepare_tensorflow(share):
    import tensorflow as tf

    options = {"disable_meta_optimizer": True}
    tf.config.optimizer.set_experimental_options(options)
    if share.threads is not None:
        tf.config.threading.set_intra_op_parallelism_threads(share.threads)
        # One alone can wait for itself: a dataset waits in it for its own work.
        between = max(2, share.threads)
        tf.config.threading.set_inter_op_parallelism_threads(between)
    if share.gpu is not None:
        limit = int(share.gpu_part * share.gpu.megabytes)
        for device in tf.config.list_physical_devices("GPU"):
            tf.config.set_logical_device_configuration(
                device, [tf.config.LogicalDeviceConfiguration(limit)]
            )


def _prepare_torch(share):
    import torch

    if share.threads is not None:
        torch.set_num_threads(share.threads)
    if share.gpu is not None:
        torch.cuda.set_per_process_memory_fraction(share.gpu_part)
