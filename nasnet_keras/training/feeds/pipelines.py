"""Batches made by a NumPy function of their number, for either kind of `fit`.

tf.data where TensorFlow is the backend, Keras' own threads elsewhere.
"""

import keras


class NumPyBatches(keras.utils.PyDataset):
    """Batches that a function makes, in several threads; in order.

    Args:
        function: From the number of a batch to what `fit` takes of it.
        first: Integer, the number of the first batch.
        number: Integer, how many there are; without end if `None`.
        workers: Integer, threads.
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
            raise IndexError(index)  # Ends a loop over all.
        return self.function(self.first + index)


def tf_batches(dataset, function, kinds, shapes, workers):
    """Applies a NumPy function to each element of a `tf.data.Dataset`.

    Several run side by side where the function lets go of Python's lock, as
    Pillow does to decode, resize and colour; their order stays.

    Args:
        dataset: `tf.data.Dataset`.
        function: From arrays to a tuple of arrays.
        kinds: Names of the types of what it returns.
        shapes: Their shapes, with `None` where a size varies.
        workers: Integer, calls at a time.
    """
    import tensorflow as tf

    def apply(*elements):
        arrays = tf.numpy_function(function, elements, kinds, stateful=False)
        for array, shape in zip(arrays, shapes):
            array.set_shape(shape)
        return tuple(arrays)

    return dataset.map(apply, num_parallel_calls=workers, deterministic=True)
