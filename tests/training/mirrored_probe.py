"""Trains under TensorFlow's MirroredStrategy; prints the last drop-path rates.

    python tests/training/mirrored_probe.py DEVICES

A process of its own: the processor is divided before TensorFlow starts.
"""

import json
import sys

import keras
import numpy as np
import tensorflow as tf

from nasnet_keras import NASNet, ScheduledDropPath
from nasnet_keras.layers.drop_path import drop_path_layers
from tests.support.genotypes import one_block_genotype


def main(devices):
    (cpu,) = tf.config.list_physical_devices("CPU")
    parts = [tf.config.LogicalDeviceConfiguration()] * devices
    tf.config.set_logical_device_configuration(cpu, parts)
    names = [f"/cpu:{number}" for number in range(devices)]
    strategy = tf.distribute.MirroredStrategy(names)
    with strategy.scope():
        model = NASNet(
            one_block_genotype("conv_1x1"),
            cells_per_stack=1,
            filters=2,
            stem="cifar",
            classes=3,
            input_shape=(8, 8, 3),
            drop_path_rate=0.4,
        )
        model.compile("sgd", "sparse_categorical_crossentropy")
    images = np.random.default_rng(0).normal(size=(16, 8, 8, 3))
    layer, rates = drop_path_layers(model)[-1], []
    # The second time it goes on where the first one ended.
    for epochs, schedule in (
        (2, ScheduledDropPath()),
        (1, ScheduledDropPath(total_steps=16)),
    ):
        model.fit(
            *(images, np.arange(16) % 3),
            batch_size=4,
            epochs=epochs,
            callbacks=[schedule],
            verbose=0,
        )
        rate = keras.ops.convert_to_numpy(layer.current_rate.state)
        rates.append(float(rate))
    found = {"replicas": strategy.num_replicas_in_sync, "rates": rates}
    print(json.dumps({**found, "final rate": layer.rate}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
