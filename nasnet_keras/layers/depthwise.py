"""Depthwise convolutions with a faster gradient of wide kernels.

On CPUs TensorFlow computes by oneDNN. Its fast gradient of a depthwise kernel
is for at most three columns; for 5x5 and 7x7 it takes one for convolutions of
many groups, which is some ten times as slow. Here the gradient of a wide kernel
is that of strips of three columns, side by side: each is a kernel of its own
that reads the images from another column on
(`benchmarks/speed/convolutions.py` measures it).
"""

import itertools
import math
from typing import Any

from keras import ops

from nasnet_keras.layers.processor import by_onednn

STRIP = 3  # Columns.
# Numbers of an image; of smaller ones, little is gained: see batch_norm_rows.
LARGE = 30_000


def depthwise_conv(
    images: Any,
    kernel: Any,
    strides: tuple[int, int],
    padding: str,
    dilation_rate: tuple[int, int],
) -> Any:
    """Returns a depthwise convolution for training on TensorFlow.

    Args:
        images: Tensor, a batch, the channels last.
        kernel: Tensor of shape `(rows, columns, channels, multiplier)`.
        strides: Two integers, which are equal.
        padding: `"same"` or `"valid"`.
        dilation_rate: Two integers.
    """

    def convolve(images, kernel):
        return ops.depthwise_conv(
            images, kernel, strides, padding, "channels_last", dilation_rate
        )

    if tuple(dilation_rate) == (1, 1) and _pays(images, kernel):
        return _with_strips(convolve, images, kernel, strides, padding)
    return convolve(images, kernel)


def _pays(images, kernel):
    sides = images.shape[1:]
    return (
        kernel.shape[1] > STRIP
        and None not in sides
        and math.prod(sides) >= LARGE
        and by_onednn()
    )


def _with_strips(convolve, images, kernel, strides, padding):
    import tensorflow as tf

    strides, padding = (1, *strides, 1), padding.upper()

    @tf.custom_gradient
    def function(images, kernel):
        def gradients(upstream):
            of_images = tf.raw_ops.DepthwiseConv2dNativeBackpropInput(
                input_sizes=tf.shape(images),
                filter=kernel,
                out_backprop=upstream,
                strides=strides,
                padding=padding,
            )
            of_kernel = kernel_gradient(
                images, kernel.shape, upstream, strides, padding
            )
            return of_images, of_kernel

        return convolve(images, kernel), gradients

    return function(tf.convert_to_tensor(images), tf.convert_to_tensor(kernel))


def kernel_gradient(
    images: Any,
    shape: tuple[int, int, int, int],
    upstream: Any,
    strides: tuple[int, int, int, int],
    padding: str,
) -> Any:
    """Returns the gradient of a depthwise kernel, computed in strips.

    Args:
        images: Tensor, a batch of known height and width.
        shape: Four integers, that of the kernel.
        upstream: Tensor, the gradient of the convolution's result.
        strides: Four integers.
        padding: `"SAME"` or `"VALID"`.
    """
    import tensorflow as tf

    rows, columns, channels, multiplier = shape
    if padding == "SAME":
        margins = [
            _margins(*sides)
            for sides in zip(images.shape[1:3], shape[:2], strides[1:3])
        ]
        images = tf.pad(images, [(0, 0), *margins, (0, 0)])
    reach = (upstream.shape[2] - 1) * strides[2]
    gradients = []
    for first, width in _strips(columns):
        gradients.append(
            tf.raw_ops.DepthwiseConv2dNativeBackpropFilter(
                input=tf.slice(
                    images, [0, 0, first, 0], [-1, -1, reach + width, -1]
                ),
                filter_sizes=[rows, width, channels, multiplier],
                out_backprop=upstream,
                strides=strides,
                padding="VALID",
            )
        )
    return tf.concat(gradients, axis=1)


def _strips(columns):
    """First column and width of strips of about equal width."""
    number = -(-columns // STRIP)
    edges = [columns * strip // number for strip in range(number + 1)]
    return [(first, end - first) for first, end in itertools.pairwise(edges)]


def _margins(side, length, stride):
    """What "same" pads before and behind a side."""
    outputs = -(-side // stride)
    total = max((outputs - 1) * stride + length - side, 0)
    return total // 2, total - total // 2
