"""Do oneDNN's kernels train a search's children faster? By size of image.

    python benchmarks/speed/onednn.py [--rounds 2]

A child of NASNet-A's cells as `nasnet search` trains it, on one core, on
TensorFlow, with and without oneDNN in turn, each in a process of its own.
Prints the median milliseconds of a step, and the time with oneDNN relative to
the one without. Writes `benchmarks/results/onednn.json`, with the seconds of
the first step, which is traced.
"""

import argparse
import json
import pathlib
import statistics
import time

from machine import origin
from processes import Measuring

OUTPUT = pathlib.Path(__file__).parents[1] / "results" / "onednn.json"
SIDES, STEPS, CLASSES = (8, 16, 32, 64), 40, 5
STEP = "step, ms"
SLOWEST = 600  # Seconds of one process.


def measure(side):
    """Returns seconds of the first step, milliseconds of a later one."""
    import keras
    import numpy as np

    from nasnet_keras import NASNET_A
    from nasnet_keras.search.engines.computing import Share, prepare
    from nasnet_keras.search.evaluators.children import ChildRecipe, train_child
    from nasnet_keras.training.data.dataset import Dataset

    class Clock(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.times = [time.perf_counter()]

        def on_train_batch_end(self, batch, logs=None):
            self.times.append(time.perf_counter())

    def part(number):
        images = rng.integers(0, 256, (number, side, side, 3), "uint8")
        return images, np.arange(number) % CLASSES

    prepare(Share(threads=1))
    rng = np.random.default_rng(0)
    parts = [part(number) for number in (2000, 64, 64)]
    dataset = Dataset("random", tuple("abcde"), *parts)
    clock = Clock()
    train_child(NASNET_A, ChildRecipe(steps=STEPS), dataset, 0, [clock])
    first, *later = np.diff(clock.times)
    return {"first, s": first, STEP: 1000 * statistics.median(later)}


def in_process(side, onednn):
    """Measures in a new process, with oneDNN (`"1"`) or without (`"0"`)."""
    words = [__file__, "--side", side]
    more = {"TF_ENABLE_ONEDNN_OPTS": onednn}
    with Measuring(words, "tensorflow", SLOWEST, more) as process:
        found = process.sample()
        if found is None:
            raise RuntimeError(f"{side} pixels: {process.error}")
        return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--side", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.side:
        print(json.dumps(measure(args.side)))
        return
    from nasnet_keras.runs.files import write_json

    made, rows = origin("tensorflow"), {}
    for side in SIDES:
        found = {"0": [], "1": []}
        for _ in range(args.rounds):
            for onednn, rounds in found.items():
                rounds.append(in_process(side, onednn))
        without, using = (
            [one[STEP] for one in rounds] for rounds in found.values()
        )
        ratio = statistics.median(b / a for a, b in zip(without, using))
        rows[side] = {"without": found["0"], "with": found["1"], "ratio": ratio}
        print(
            f"{side} pixels: a step {statistics.median(without):.0f} ms "
            f"without, {statistics.median(using):.0f} ms with oneDNN: "
            f"{ratio:.2f} of the time",
            flush=True,
        )
        write_json(OUTPUT, {"rows": rows, **made})


if __name__ == "__main__":
    main()
