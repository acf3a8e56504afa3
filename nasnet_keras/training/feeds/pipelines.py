"""Runs a NumPy function that makes batches: in Keras' threads or in tf.data.

Keras' threads need no TensorFlow; tf.data is for the TensorFlow backend.
"""

import keras


class NumPyBatches(keras.utils.PyDataset):
    """Batches that a function makes in several threads, in order.

    Args:
        function: Function of a batch's number that returns images and labels.
        first: Integer, the number of the first batch.
        number: Integer, how many batches; unlimited if `None`.
        workers: Integer, number of threads.
    """

    def __init__(self, function, first=0, number=None, workers=2):
        super().__init__(workers=workers, max_queue_size=max(16, workers))
        self.function = function
        self.first = first
        self.number = number

    @property
    def num_batches(self):
        return self.number

    def __getitem__(self, index):
        if self.number is not None and index >= self.number:
            raise IndexError(index)  # Ends iteration.
        return self.function(self.first + index)


def tf_batches(dataset, function, dtypes, shapes, workers):
    """Applies a NumPy function to each element of a `tf.data.Dataset`.

    Calls run in parallel as far as the function releases Python's lock, as
    Pillow does in decoding, resizing and colour changes. The order is kept.

    Args:
        dataset: `tf.data.Dataset`.
        function: Function of arrays that returns a tuple of arrays.
        dtypes: Sequence of strings, the types of the returned arrays.
        shapes: Their shapes, with `None` where a size varies.
        workers: Integer, the number of parallel calls.
    """
    import tensorflow as tf

    def apply(*elements):
        arrays = tf.numpy_function(function, elements, dtypes, stateful=False)
        for array, shape in zip(arrays, shapes):
            array.set_shape(shape)
        return tuple(arrays)

    batches = dataset.map(apply, num_parallel_calls=workers, deterministic=True)
    # Nothing is left to be tuned. On one core the thread that tunes kept a
    # dataset waiting for three seconds when it was deleted.
    options = tf.data.Options()
    options.autotune.enabled = False
    return batches.with_options(options)
