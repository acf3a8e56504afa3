"""On what TensorFlow computes: its kernels differ in what they are good at."""

import functools
import pathlib


@functools.cache
def on_cpu() -> bool:
    """Whether TensorFlow has no other devices than processors."""
    import tensorflow as tf

    devices = tf.config.list_physical_devices()
    return all(device.device_type == "CPU" for device in devices)


@functools.cache
def by_onednn() -> bool:
    """Whether TensorFlow computes on processors alone, by oneDNN's kernels.

    They are on by default on processors with certain instructions, and by
    `TF_ENABLE_ONEDNN_OPTS=1`. TensorFlow says which it is by no public name.
    """
    try:
        from tensorflow.python.util._pywrap_util_port import IsMklEnabled
    except ImportError:
        return False
    return on_cpu() and IsMklEnabled()


@functools.cache
def has_avx512() -> bool:
    """Whether the processor is known to have AVX-512: Linux says it."""
    path = pathlib.Path("/proc/cpuinfo")
    return path.is_file() and "avx512f" in path.read_text().split()
