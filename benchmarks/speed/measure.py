"""Measures one subject, in this process; prints JSON.

    python benchmarks/speed/measure.py MEASURE '{"library": ...}'

`benchmarks/speed/run.py` starts it.
"""

import json
import pathlib
import resource
import sys
import tempfile
import time

BATCHES = {"latency": 1, "batch 8": 8, "batch 32": 32}
REPEATS = 15
TRAINING_BATCH = 16
MEMORY_BATCH = 64


def images(batch, side):
    import numpy as np

    rng = np.random.default_rng(0)
    return rng.uniform(-1, 1, (batch, side, side, 3)).astype("float32")


def start(subject):
    """Seconds to import, to build and to predict for the first time."""
    from subjects import import_library

    x = images(1, subject.side)
    seconds, began = {}, time.perf_counter()
    make = import_library(subject)
    seconds["import"] = time.perf_counter() - began
    began = time.perf_counter()
    model = make()
    seconds["build"] = time.perf_counter() - began
    began = time.perf_counter()
    model.predict(x, verbose=0)
    seconds["first prediction"] = time.perf_counter() - began
    seconds["build and predict"] = sum(list(seconds.values())[1:])
    seconds["all"] = seconds["import"] + seconds["build and predict"]
    return seconds


def predictions(subject):
    """Milliseconds of an image, for each size of batch."""
    from subjects import predictor

    with tempfile.TemporaryDirectory() as folder:
        run = predictor(subject, pathlib.Path(folder))
        return {
            name: 1000
            * _median_seconds(run, images(batch, subject.side))
            / batch
            for name, batch in BATCHES.items()
            if not (subject.network != "mobile" and batch > 8)
        }


def _median_seconds(run, x):
    import statistics

    for _ in range(3):
        run(x)
    repeats = max(5, REPEATS // max(1, len(x) // 4))
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        run(x)
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def training(subject, batch=TRAINING_BATCH):
    """Seconds of the first step and of a later one."""
    import statistics

    import numpy as np
    from subjects import build

    x = images(batch, subject.side)
    y = np.arange(batch) % 1000
    model = build(subject)
    began = time.perf_counter()
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.train_on_batch(x, y)
    first, seconds = time.perf_counter() - began, []
    for _ in range(5):
        began = time.perf_counter()
        model.train_on_batch(x, y)
        seconds.append(time.perf_counter() - began)
    return {"first step": first, "step": statistics.median(seconds)}


def memory(subject):
    """Gigabytes of this process at most, and seconds of a step."""
    found = training(subject, MEMORY_BATCH)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return {"peak GB": peak, "step of 64": found["step"]}


MEASURES = {
    "start": start,
    "predictions": predictions,
    "training": training,
    "memory": memory,
}


def main():
    from subjects import Subject

    name, text = sys.argv[1:]
    found = MEASURES[name](Subject(**json.loads(text)))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
