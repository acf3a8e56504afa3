"""Batch normalization in training, where TensorFlow's kernel is slow.

On CPUs it takes up to eight times as long as here where the number of channels
is no multiple of four. Here a row of pixels is one vector: elementary
operations are fast on long vectors. The gradient is written out, in fewer
operations than automatic differentiation makes (`benchmarks/speed/norms.py`
measures it).
"""

import math
from typing import Any

from nasnet_keras.layers.processor import on_cpu

# Numbers of an image: of smaller ones, less is gained in an epoch than the
# operations that this adds take once, in the first step.
LARGE = 10_000


def kernel_is_slow(inputs: Any) -> bool:
    """Whether `normalize` is faster than TensorFlow's fused kernel.

    Args:
        inputs: Tensor, a batch of images, the channels last.
    """
    sides = inputs.shape[1:]
    return (
        inputs.dtype == "float32"
        and None not in sides
        and math.prod(sides) >= LARGE
        and sides[-1] % 4 != 0
        and on_cpu()
    )


def normalize(
    inputs: Any, gamma: Any, beta: Any, epsilon: float
) -> tuple[Any, Any, Any]:
    """Returns the normalized batch, its mean and its biased variance.

    Mean and variance have no gradient of their own.

    Args:
        inputs: Tensor, a batch of images, the channels last.
        gamma: Tensor, a number for each channel.
        beta: Tensor, a number for each channel.
        epsilon: Float, added to the variance.
    """
    import tensorflow as tf

    height, columns, channels = inputs.shape[1:]
    of_rows = (-1, columns * channels)
    of_images = (-1, height, columns, channels)
    number = tf.shape(inputs)[0] if inputs.shape[0] is None else inputs.shape[0]
    count = tf.cast(number * height * columns, inputs.dtype)

    def total(x):
        pixels = tf.reshape(tf.reduce_sum(x, 0), (columns, channels))
        return tf.reduce_sum(pixels, 0)

    def row(vector):
        return tf.tile(vector, [columns])

    @tf.custom_gradient
    def function(inputs, gamma, beta):
        x = tf.reshape(inputs, of_rows)
        mean = total(x) / count
        squares = tf.math.squared_difference(x, row(mean))
        variance = total(squares) / count
        inverse = tf.math.rsqrt(variance + epsilon)
        scale = gamma * inverse
        outputs = x * row(scale) + row(beta - mean * scale)

        def gradients(upstream, *_):
            upstream = tf.reshape(upstream, of_rows)
            of_beta = total(upstream)
            of_gamma = (total(upstream * x) - mean * of_beta) * inverse
            # (upstream - of_beta / count - normalized * of_gamma / count)
            # times the scale, as two products and the rest.
            factor = -scale * inverse * of_gamma / count
            rest = -scale * of_beta / count - factor * mean
            result = upstream * row(scale) + (x * row(factor) + row(rest))
            return tf.reshape(result, of_images), of_gamma, of_beta

        return (tf.reshape(outputs, of_images), mean, variance), gradients

    return function(inputs, gamma, beta)
