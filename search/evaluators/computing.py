"""How a process that does nothing but train children computes.

On two cores a training step of a child took, with images of 8 pixels, 34 ms of
one thread, or 45 ms of two that used 70 ms of processor time. TensorFlow's
graph optimizer took a fifth of the time of the first step (2.2 s, without it
1.7 s), and the other steps were no faster for it.
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
