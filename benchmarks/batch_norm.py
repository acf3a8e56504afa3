"""Fused against Keras' batch normalization in NASNet Mobile, TensorFlow.

    python benchmarks/batch_norm.py [--repeats 5]

The same network with the same weights, built with each; measurements alternate
between the two. Prints medians in milliseconds per image (seconds where marked)
and the ratio.
"""

import argparse
import statistics
import time
from unittest import mock

import keras
import numpy as np

import nasnet_keras
from nasnet_keras.cells import conventions


def build(layer_class):
    with mock.patch.object(conventions, "BatchNormalization", layer_class):
        model = nasnet_keras.NASNetMobile(weights=None, dropout_rate=0.0)
    model.compile(
        keras.optimizers.SGD(1e-3), loss="sparse_categorical_crossentropy"
    )
    model.optimizer.build(model.trainable_variables)
    return model


def timed(function):
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    models = {
        "keras": build(keras.layers.BatchNormalization),
        "fused": build(conventions.BatchNormalization),
    }
    models["fused"].set_weights(models["keras"].get_weights())
    x = np.random.default_rng(0).uniform(-1, 1, (16, 224, 224, 3))
    x, y = x.astype("float32"), np.arange(16)
    rows = {}

    def measure(row, images, function, times, unit=1000):
        taken = {name: [] for name in models}
        for _ in range(times):
            for name, model in models.items():
                taken[name].append(timed(lambda m=model: function(m)))
        rows[row] = {
            name: unit * statistics.median(values) / images
            for name, values in taken.items()
        }

    measure("first prediction, s", 1, lambda m: m.predict_on_batch(x[:8]), 1, 1)
    measure("predict, batch 8", 8, lambda m: m.predict_on_batch(x[:8]), repeats)
    predictions = [m.predict_on_batch(x[:8]) for m in models.values()]
    np.testing.assert_allclose(*predictions, rtol=1e-4, atol=1e-6)
    for model in models.values():
        model.predict_on_batch(x[:1])
    measure("predict, batch 1", 1, lambda m: m.predict_on_batch(x[:1]), repeats)
    measure("first train step, s", 1, lambda m: m.train_on_batch(x, y), 1, 1)
    measure(
        "train step, batch 16", 16, lambda m: m.train_on_batch(x, y), repeats
    )
    print(f"{'':22}{'keras':>9}{'fused':>9}{'ratio':>8}")
    for row, values in rows.items():
        keras_time, fused_time = values["keras"], values["fused"]
        print(
            f"{row:22}{keras_time:9.1f}{fused_time:9.1f}"
            f"{keras_time / fused_time:8.2f}"
        )


if __name__ == "__main__":
    main()
