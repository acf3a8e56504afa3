"""Convolutions that are faster in training.

Their pointwise part is a product of matrices: a convolution of 1x1 pixels
multiplies each pixel by one matrix. On a CPU TensorFlow computes the gradients
of that product faster than those of the convolution
(`benchmarks/speed/convolutions.py`). For the depthwise part see `depthwise.py`.
"""

from typing import Any

import keras
from keras import ops

from nasnet_keras.layers.depthwise import depthwise_conv

# The names of the classes are Keras' own: they are keys in saved weights files.


@keras.saving.register_keras_serializable(package="nasnet_keras")
class Conv2D(keras.layers.Conv2D):
    """`keras.layers.Conv2D`, faster in training if it is 1x1.

    Args: Those of `keras.layers.Conv2D`.
    """

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        plain = self.groups == 1 and self.strides == (1, 1)
        if not (
            training and plain and self.kernel_size == (1, 1) and _pays(self)
        ):
            return super().call(inputs)
        return self.activation(product(inputs, self.kernel))


@keras.saving.register_keras_serializable(package="nasnet_keras")
class SeparableConv2D(keras.layers.SeparableConv2D):
    """`keras.layers.SeparableConv2D`, faster in training.

    Args: Those of `keras.layers.SeparableConv2D`.
    """

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        if not (training and _pays(self)):
            return super().call(inputs)
        spread = depthwise_conv(
            inputs,
            self.depthwise_kernel,
            self.strides,
            self.padding,
            self.dilation_rate,
        )
        return self.activation(product(spread, self.pointwise_kernel))


def _pays(layer):
    return (
        keras.backend.backend() == "tensorflow"
        and layer.data_format == "channels_last"
        and not layer.use_bias
    )


def product(x: Any, kernel: Any) -> Any:
    """Returns each pixel times the matrix of a 1x1 kernel.

    Args:
        x: Tensor, a batch of images, the channels last.
        kernel: Tensor of shape `(1, 1, channels, filters)`.
    """
    channels, filters = kernel.shape[2:]
    pixels = ops.reshape(x, (-1, channels))
    found = ops.matmul(pixels, ops.reshape(kernel, (channels, filters)))
    # Known sides make no operations.
    sides = x.shape[1:3] if None not in x.shape[1:3] else ops.shape(x)[1:3]
    return ops.reshape(found, (-1, *sides, filters))
