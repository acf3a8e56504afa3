"""Time of the first training step, with the optimizer built before or in it.

    python benchmarks/optimizer_build.py [--repeats 3]

By default Keras creates an optimizer's variables in the first step. TensorFlow
traces a function that creates variables twice; `compile_model` in
`nasnet_keras/training/optimizers.py` therefore creates them before. Prints the
median seconds of each, and their ratio.
"""

import argparse
import statistics
import time

import keras
import numpy as np

import nasnet_keras


def first_step(build_before):
    model = nasnet_keras.NASNetCIFAR((8, 8, 3), cells_per_stack=1, filters=8)
    model.compile(
        keras.optimizers.SGD(0.1, momentum=0.9),
        loss="sparse_categorical_crossentropy",
    )
    x, y = np.zeros((64, 8, 8, 3), "float32"), np.zeros(64, "int32")
    began = time.perf_counter()
    if build_before:
        model.optimizer.build(model.trainable_variables)
    model.train_on_batch(x, y)
    return time.perf_counter() - began


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    pairs = [(first_step(False), first_step(True)) for _ in range(repeats)]
    within, before = (statistics.median(times) for times in zip(*pairs))
    print(f"variables created in the first step  {within:6.1f} s")
    print(f"variables created before it          {before:6.1f} s")
    print(f"ratio                                {within / before:6.2f}")


if __name__ == "__main__":
    main()
