"""Which of oneDNN's kernels a training step takes, and how long each takes.

    python benchmarks/speed/primitives.py
    python benchmarks/speed/primitives.py --library keras.applications

TensorFlow computes on CPUs by oneDNN (see run.py), which has several kernels
of each operation and chooses by shapes and processor. A step of NASNet Mobile
on one core, with oneDNN's own log (`ONEDNN_VERBOSE`). Prints milliseconds by
kernel, the slowest first, and what the step takes beside oneDNN. Writes
`benchmarks/results/primitives.json`; another library's rows are kept there.
"""

import argparse
import collections
import json
import os
import pathlib
import subprocess
import sys
import time

from machine import origin
from measure import TRAINING_BATCH, images
from subjects import OURS, Subject, build

from nasnet_keras.runs.files import write_json

OUTPUT = pathlib.Path(__file__).parents[1] / "results" / "primitives.json"
MARK = "one step:"
WARM = 2  # Steps that are not counted.
SETTINGS = {
    "KERAS_BACKEND": "tensorflow",
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "TF_ENABLE_ONEDNN_OPTS": "1",
    "ONEDNN_VERBOSE": "1",
    # One core: the times of kernels add up.
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
}


def train(subject):
    """Trains some steps; prints the seconds of the last around its log."""
    import numpy as np

    x, y = images(TRAINING_BATCH, subject.side), np.arange(TRAINING_BATCH)
    model = build(subject)
    model.compile("sgd", "sparse_categorical_crossentropy")
    for _ in range(WARM):
        model.train_on_batch(x, y)
    print(MARK, flush=True)
    began = time.perf_counter()
    model.train_on_batch(x, y)
    print(f"{MARK} {time.perf_counter() - began}", flush=True)


def kernels(log):
    """(operation, direction, kernel) -> number of calls, milliseconds."""
    found = collections.defaultdict(lambda: [0, 0.0])
    for line in log.splitlines():
        words = line.split(",")
        if words[2:4] != ["primitive", "exec"]:
            continue
        operation, kernel, direction = words[5:8]
        if operation == "convolution" and words[-2].startswith("g"):
            operation = "depthwise convolution"
        entry = found[operation, direction, kernel]
        entry[0] += 1
        entry[1] += float(words[-1])
    return sorted(found.items(), key=lambda item: -item[1][1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--library", default=OURS)
    parser.add_argument("--train", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    subject = Subject(args.library, "mobile")
    if args.train:
        train(subject)
        return
    words = [sys.executable, __file__, "--train", "--library", args.library]
    done = subprocess.run(
        words,
        env={**os.environ, **SETTINGS},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    _, log, rest = done.stdout.split(MARK)
    step, rows = 1000 * float(rest.split()[0]), kernels(log)
    print(
        "| operation | direction | kernel | calls | ms |\n" + "|---" * 5 + "|"
    )
    for names, (calls, taken) in rows:
        print(f"| {' | '.join(names)} | {calls} | {taken:.1f} |")
    beside = step - sum(taken for _, (_, taken) in rows)
    print(f"\nA step takes {step:.0f} ms, {beside:.0f} of them beside oneDNN.")
    known = json.loads(OUTPUT.read_text()) if OUTPUT.is_file() else {}
    known[subject.name] = {
        "step": step,
        "kernels": [[*names, *found] for names, found in rows],
        **origin("tensorflow"),
    }
    write_json(OUTPUT, known)


if __name__ == "__main__":
    main()
