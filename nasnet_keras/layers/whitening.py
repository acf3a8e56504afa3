"""Standardization of images, each by itself."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="nasnet_keras")
class Whitening(keras.Layer):
    """Gives each image mean 0 and standard deviation 1 over all its values.

    The preprocessing of the authors' CIFAR-10 networks. As in TensorFlow's
    `per_image_standardization`, the divisor is at least
    `1 / sqrt(number of values)`, so that an image of one colour gives zeros.

    Call arguments:
        inputs: Tensor `(batch, height, width, channels)`, or with channels
            first; of any range.
    """

    def call(self, inputs):
        axes = tuple(range(1, len(inputs.shape)))
        # In half precision the number of values would overflow.
        dtype = keras.backend.result_type(inputs.dtype, "float32")
        x = ops.cast(inputs, dtype)
        values = ops.prod(ops.shape(x)[1:])
        least = 1.0 / ops.sqrt(ops.cast(values, dtype))
        mean = ops.mean(x, axes, keepdims=True)
        deviation = ops.std(x, axes, keepdims=True)
        whitened = (x - mean) / ops.maximum(deviation, least)
        return ops.cast(whitened, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return input_shape
