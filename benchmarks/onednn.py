"""Do oneDNN's kernels train a search's children faster? By size of image.

    python benchmarks/onednn.py [--rounds 2]

A child of NASNet-A's cells as `nasnet search` trains it, on one core, on
TensorFlow, with and without oneDNN in turn, each in a process of its own.
Prints the median milliseconds of a step, and the time with oneDNN relative to
the one without. Writes `benchmarks/results/onednn.json`, with the seconds of
the first step, which is traced.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

RESULTS = pathlib.Path(__file__).parent / "results"
SIDES, STEPS, CLASSES = (8, 16, 32, 64), 40, 5


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
    return {"first, s": first, "step, ms": 1000 * statistics.median(later)}


def in_process(side, onednn):
    """Measures in a new process, with oneDNN (`"1"`) or without (`"0"`)."""
    variables = {"TF_ENABLE_ONEDNN_OPTS": onednn, "KERAS_BACKEND": "tensorflow"}
    found = subprocess.run(
        [sys.executable, __file__, "--side", str(side)],
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(found.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--side", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.side:
        print(json.dumps(measure(args.side)))
        return
    from nasnet_keras.runs.files import write_json
    from nasnet_keras.runs.provenance import provenance

    rows = {}
    for side in SIDES:
        found = {"0": [], "1": []}
        for _ in range(args.rounds):
            for onednn, rounds in found.items():
                rounds.append(in_process(side, onednn))
        pairs = zip(found["1"], found["0"])
        ratio = statistics.median(
            a["step, ms"] / b["step, ms"] for a, b in pairs
        )
        rows[side] = {"without": found["0"], "with": found["1"], "ratio": ratio}
        steps = [
            statistics.median(one["step, ms"] for one in found[key])
            for key in ("0", "1")
        ]
        print(
            f"{side} pixels: a step {steps[0]:.0f} ms without, {steps[1]:.0f} "
            f"ms with oneDNN: {ratio:.2f} of the time",
            flush=True,
        )
        content = {"rows": rows, "produced_by": provenance("tensorflow")}
        write_json(RESULTS / "onednn.json", content)


if __name__ == "__main__":
    main()
