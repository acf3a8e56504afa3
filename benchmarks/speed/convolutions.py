"""Convolutions and their gradients, computed in several ways.

    python benchmarks/speed/convolutions.py

TensorFlow's kernels beside the same by other operations, on the states of
NASNet-A Mobile in a training step of 16 images: depthwise ones, and pointwise
ones as convolutions and as products of matrices. Milliseconds (medians, in
turn), and the least that the machine could take for one of them, forward or a
gradient (see `machine.py`); the gradients of pointwise ones are two. All ways
give the same to 1e-3. Writes `benchmarks/results/convolutions.json`.
"""

import math
import os
import pathlib
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # See run.py.

import numpy as np
import tensorflow as tf
from machine import least, origin

from nasnet_keras.layers.convolutions import product
from nasnet_keras.layers.depthwise import kernel_gradient as strips
from nasnet_keras.runs.files import write_json

OUTPUT = pathlib.Path(__file__).parents[1] / "results" / "convolutions.json"
IMAGES, REPEATS, STRIDES = 16, 15, [1, 1, 1, 1]
# Sides and channels of a state, and the kernels that read it.
STATES = [(28, 44), (14, 88), (7, 176)]
KERNELS = (3, 5, 7)
# Cells read their own states, and six that are joined.
JOINED = (1, 6)


def forward(x, kernel, _):
    return tf.nn.depthwise_conv2d(x, kernel, STRIDES, "SAME")


def images_gradient(x, kernel, gradient):
    return tf.raw_ops.DepthwiseConv2dNativeBackpropInput(
        input_sizes=x.shape,
        filter=kernel,
        out_backprop=gradient,
        strides=STRIDES,
        padding="SAME",
    )


def images_gradient_forward(x, kernel, gradient):
    """As the forward pass, with the kernel turned."""
    turned = tf.reverse(kernel, [0, 1])
    return tf.nn.depthwise_conv2d(gradient, turned, STRIDES, "SAME")


def kernel_gradient(x, kernel, gradient):
    return tf.raw_ops.DepthwiseConv2dNativeBackpropFilter(
        input=x,
        filter_sizes=kernel.shape,
        out_backprop=gradient,
        strides=STRIDES,
        padding="SAME",
    )


def padded(x, size):
    around = [size // 2] * 2
    return tf.pad(x, [[0, 0], around, around, [0, 0]])


def kernel_gradient_strips(x, kernel, gradient):
    """Of three columns each, as in `nasnet_keras.layers.depthwise`."""
    return strips(x, kernel.shape, gradient, STRIDES, "SAME")


def kernel_gradient_sums(x, kernel, gradient):
    """A sum of products for each place of the kernel."""
    size, side = kernel.shape[0], x.shape[1]
    around = padded(x, size)
    sums = [
        tf.reduce_sum(
            around[:, row : row + side, column : column + side] * gradient,
            [0, 1, 2],
        )
        for row in range(size)
        for column in range(size)
    ]
    return tf.reshape(tf.stack(sums), kernel.shape)


def kernel_gradient_forward(x, kernel, gradient):
    """As a forward pass whose kernels are the gradients of the images."""
    size, side = kernel.shape[0], x.shape[1]

    def side_by_side(images):
        return tf.transpose(images, [1, 2, 0, 3])

    around = side_by_side(padded(x, size))
    image = tf.reshape(around, (1, *around.shape[:2], -1))
    kernels = tf.reshape(side_by_side(gradient), (side, side, -1, 1))
    found = tf.nn.depthwise_conv2d(image, kernels, STRIDES, "VALID")
    of_images = tf.reshape(found, (size, size, IMAGES, -1))
    return tf.reshape(tf.reduce_sum(of_images, 2), kernel.shape)


def pointwise(x, kernel, _):
    return tf.nn.conv2d(x, kernel, STRIDES, "SAME")


def pointwise_product(x, kernel, _):
    return product(x, kernel)


def pointwise_gradients(x, kernel, gradient):
    return gradients(pointwise, x, kernel, gradient)


def pointwise_product_gradients(x, kernel, gradient):
    return gradients(pointwise_product, x, kernel, gradient)


def gradients(way, x, kernel, gradient):
    """Of images and kernel, one behind the other."""
    with tf.GradientTape() as tape:
        tape.watch([x, kernel])
        result = way(x, kernel, None)
    found = tape.gradient(result, [x, kernel], gradient)
    return tf.concat([tf.reshape(each, [-1]) for each in found], 0)


DEPTHWISE = [
    [forward],
    [images_gradient, images_gradient_forward],
    [
        kernel_gradient,
        kernel_gradient_strips,
        kernel_gradient_sums,
        kernel_gradient_forward,
    ],
]
POINTWISE = [
    [pointwise, pointwise_product],
    [pointwise_gradients, pointwise_product_gradients],
]


def measure(machine, ways, images, kernel, results, products):
    """Milliseconds of each way, by its name; the least of the machine."""
    shapes = images, kernel, results
    operands = [
        tf.random.stateless_normal(shape, [0, number])
        for number, shape in enumerate(shapes)
    ]
    milliseconds = {}
    for same in ways:
        functions = [tf.function(way) for way in same]
        results = [function(*operands).numpy() for function in functions]
        for other in results[1:]:
            largest = abs(results[0]).max()
            np.testing.assert_allclose(other, results[0], atol=1e-3 * largest)
        seconds = [[] for _ in functions]
        for _ in range(REPEATS):
            for found, function in zip(seconds, functions):
                began = time.perf_counter()
                function(*operands).numpy()
                found.append(time.perf_counter() - began)
        for way, found in zip(same, seconds):
            milliseconds[way.__name__] = 1000 * statistics.median(found)
    numbers = sum(map(math.prod, shapes))
    milliseconds["limit"] = least(products, numbers, machine)
    return {name: round(value, 2) for name, value in milliseconds.items()}


def main():
    rows, made = {}, origin("tensorflow")

    def report(name, *arguments):
        rows[name] = measure(made["machine"], *arguments)
        print(name, rows[name], flush=True)

    for side, channels in STATES:
        state, pixels = (IMAGES, side, side, channels), IMAGES * side**2
        name = f"{side}x{side}x{channels}"
        for size in KERNELS:
            report(
                f"{name}, depthwise {size}x{size}",
                *(DEPTHWISE, state, (size, size, channels, 1), state),
                pixels * channels * size**2,
            )
        for joined in JOINED:
            read = joined * channels
            report(
                f"{name} of {read} channels, pointwise",
                *(POINTWISE, (*state[:3], read), (1, 1, read, channels), state),
                pixels * read * channels,
            )
    write_json(OUTPUT, {"milliseconds": rows, **made})


if __name__ == "__main__":
    main()
