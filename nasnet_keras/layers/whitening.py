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
        values = ops.prod(ops.shape(inputs)[1:])
        least = 1.0 / ops.sqrt(ops.cast(values, inputs.dtype))
        mean = ops.mean(inputs, axes, keepdims=True)
        deviation = ops.std(inputs, axes, keepdims=True)
        return (inputs - mean) / ops.maximum(deviation, least)

    def compute_output_shape(self, input_shape):
        return input_shape
