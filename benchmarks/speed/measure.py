"""Measures one subject, in this process; prints lines of JSON.

    python benchmarks/speed/measure.py MEASURE '{"library": ...}'

`benchmarks/speed/run.py` starts it. The first line says what it took to start;
then it measures once for each line that it reads, which names what.
"""

import json
import pathlib
import resource
import sys
import tempfile
import time

WARM = 3  # Runs that are not measured.
TRAINING_BATCH = 16
MEMORY_BATCH = 64
MEMORY_STEPS = 5


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
    yield seconds


def predictions(subject):
    """Milliseconds of an image, for the size of batch that is asked for."""
    from subjects import predictor

    with tempfile.TemporaryDirectory() as folder:
        run = predictor(subject, pathlib.Path(folder))
        batches, name = {}, (yield {})
        while True:
            if name not in batches:
                size = subject.batches[name]
                batches[name] = images(size, subject.side)
                for _ in range(WARM):
                    run(batches[name])
            x = batches[name]
            name = yield {name: 1000 * _seconds(run, x) / len(x)}


def _seconds(run, *arguments):
    began = time.perf_counter()
    run(*arguments)
    return time.perf_counter() - began


def training(subject, batch=TRAINING_BATCH):
    """Seconds of the first step, then of later ones."""
    import numpy as np
    from subjects import build

    x = images(batch, subject.side)
    y = np.arange(batch) % 1000
    model = build(subject)

    def first():
        model.compile("sgd", "sparse_categorical_crossentropy")
        model.train_on_batch(x, y)

    yield {"first step": _seconds(first)}
    while True:
        yield {"step": _seconds(model.train_on_batch, x, y)}


def memory(subject):
    """Gigabytes of this process at most, and seconds of a step."""
    import statistics

    steps = training(subject, MEMORY_BATCH)
    next(steps)
    seconds = [next(steps)["step"] for _ in range(MEMORY_STEPS)]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    yield {"peak GB": peak, "step of 64": statistics.median(seconds)}


MEASURES = {
    "start": start,
    "predictions": predictions,
    "one image": predictions,
    "training": training,
    "memory": memory,
}


def main():
    from subjects import Subject

    name, text = sys.argv[1:]
    measure = MEASURES[name](Subject(**json.loads(text)))
    print(json.dumps(next(measure)), flush=True)
    while line := sys.stdin.readline():
        print(json.dumps(measure.send(line.strip())), flush=True)


if __name__ == "__main__":
    main()
