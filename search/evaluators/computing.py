"""How a process that does nothing but train children computes.

Measured with NASNet children on two cores (`benchmarks/children.py`): images of
8 pixels keep one thread busy, a second one costs processor time and saves
none; and TensorFlow's graph optimizer takes a fifth of the time of the first
step, which a training of some hundred steps does not get back.
"""

import keras

ONE_THREAD_SIDE = 8  # Pixels.


def usual_threads(side: int | None) -> int | None:
    """Returns the threads for images of a side; `None` for the library's own.

    Args:
        side: Integer, pixels; `None` if unknown.
    """
    return 1 if side is not None and side <= ONE_THREAD_SIDE else None


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
