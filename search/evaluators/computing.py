"""How a process that does nothing but train children computes.

On two cores a training step of a child took, with images of 8 pixels, 34 ms of
one thread, or 45 ms of two that used 70 ms of processor time. TensorFlow's
graph optimizer took a fifth of the time of the first step (2.2 s, without it
1.7 s), and the other steps were no faster for it.
"""

import os

import keras

ONE_THREAD_SIDE = 8  # Pixels.


def usual_threads(side: int | None, workers: int = 1) -> int | None:
    """Returns the threads of a process; `None` for the library's own number.

    Args:
        side: Integer, pixels of the images; `None` if unknown.
        workers: Integer, the processes that share the cores.
    """
    if side is not None and side <= ONE_THREAD_SIDE:
        return 1
    return None if workers == 1 else max(1, usable_cores() // workers)


def usable_cores() -> int:
    """Returns the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Not on every system.
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def prepare(threads: int | None) -> None:
    """Sets the threads, and leaves graphs as they are traced.

    Before anything is computed.

    Args:
        threads: Integer, of each operation; `None` for the library's own
            number.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        options = {"disable_meta_optimizer": True}
        tf.config.optimizer.set_experimental_options(options)
        if threads is not None:
            tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.threading.set_inter_op_parallelism_threads(threads)
    elif backend == "torch" and threads is not None:
        import torch

        torch.set_num_threads(threads)
