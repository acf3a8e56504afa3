"""Batch norms in training: TensorFlow's kernel beside rows of pixels.

    python benchmarks/speed/norms.py

Result and gradients of a batch norm by TensorFlow's fused kernel, by Keras'
elementary operations and by `nasnet_keras.layers.batch_norm_rows`, on states of
NASNet-A Mobile and with other numbers of channels, 16 images.
Milliseconds (medians, in turn). All give the same to 1e-4. Prints a table;
writes `benchmarks/results/norms.json`. Beside oneDNN's kernels (see run.py)
those without it: `TF_ENABLE_ONEDNN_OPTS=0`, in a section of its own.
"""

import json
import os
import pathlib
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # See run.py.

import numpy as np
import tensorflow as tf
from machine import origin

from nasnet_keras.layers.batch_norm_rows import normalize
from nasnet_keras.runs.files import write_json

OUTPUT = pathlib.Path(__file__).parents[1] / "results" / "norms.json"
IMAGES, REPEATS, EPSILON = 16, 15, 1e-3
# Sides and channels: Mobile's, then numbers of channels on one side.
STATES = [(111, 11), (56, 11), (56, 22), (28, 22), (28, 44), (14, 88), (7, 176)]
STATES += [(28, channels) for channels in (40, 41, 42, 43, 45, 46, 48)]


def kernel(x, gamma, beta):
    return tf.raw_ops.FusedBatchNormV3(
        x=x,
        scale=gamma,
        offset=beta,
        mean=[],
        variance=[],
        epsilon=EPSILON,
        is_training=True,
    ).y


def elementary(x, gamma, beta):
    """As `keras.layers.BatchNormalization` computes it."""
    mean, variance = tf.nn.moments(x, [0, 1, 2])
    return tf.nn.batch_normalization(x, mean, variance, beta, gamma, EPSILON)


def rows(x, gamma, beta):
    return normalize(x, gamma, beta, EPSILON)[0]


WAYS = {way.__name__: way for way in (kernel, elementary, rows)}


def step(way):
    """A function: the result and all gradients."""

    @tf.function
    def function(upstream, *operands):
        with tf.GradientTape() as tape:
            tape.watch(operands)
            result = way(*operands)
        return result, *tape.gradient(result, operands, upstream)

    return function


def measure(side, channels):
    """Milliseconds of each way."""
    shapes = [(IMAGES, side, side, channels)] * 2 + [(channels,)] * 2
    operands = [
        tf.random.stateless_normal(shape, [0, number])
        for number, shape in enumerate(shapes)
    ]
    steps = {name: step(way) for name, way in WAYS.items()}
    results = [function(*operands) for function in steps.values()]
    for other in results[1:]:
        for ours, theirs in zip(other, results[0], strict=True):
            largest = np.abs(theirs).max()
            np.testing.assert_allclose(ours, theirs, atol=1e-4 * largest)
    seconds = {name: [] for name in steps}
    for _ in range(REPEATS):
        for name, function in steps.items():
            began = time.perf_counter()
            function(*operands)[1].numpy()
            seconds[name].append(time.perf_counter() - began)
    return {
        name: round(1000 * statistics.median(found), 2)
        for name, found in seconds.items()
    }


def main():
    found = {}
    print(f"| state | {' | '.join(WAYS)} |\n|---|{'---|' * len(WAYS)}")
    for side, channels in STATES:
        name = f"{side}x{side}x{channels}"
        found[name] = measure(side, channels)
        print(f"| {name} | {' | '.join(map(str, found[name].values()))} |")
    known = json.loads(OUTPUT.read_text()) if OUTPUT.is_file() else {}
    on = os.environ["TF_ENABLE_ONEDNN_OPTS"] != "0"
    known["oneDNN" if on else "without oneDNN"] = {
        "milliseconds": found,
        **origin("tensorflow"),
    }
    write_json(OUTPUT, known)


if __name__ == "__main__":
    main()
