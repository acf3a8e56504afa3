"""Resident memory of a search that trains its children from scratch.

    python benchmarks/search_memory.py

Tiny children on digits: in the search's own process; in processes of ten
children each (`nasnet search --trials-per-process 10`, the default), one or two
at a time; in actors of Ray; in a worker of KerasTuner's chief that uses
`Isolated`. Prints the memory of the search's process (of the chief's worker),
and the largest of the processes of children, after 10, 20, ... trials; writes
its JSON to `benchmarks/results/`.
"""

import argparse
import multiprocessing
import os
import pathlib
import socket
import tempfile

import psutil

from nasnet_keras.runs.files import write_json
from nasnet_keras.runs.provenance import provenance
from nasnet_keras.search import (
    ChildRecipe,
    Isolated,
    NASNetSpace,
    OnRay,
    TrainFromScratch,
    search,
)
from nasnet_keras.training.data import load_dataset

OUTPUT = pathlib.Path(__file__).parent / "results" / "search_memory.json"
EVERY = 10


# What is in the command lines of processes of children.
MARKS = ("spawn_main", "ray::_Served")
TWO_CORES = {"num_cpus": 2, "object_store_memory": 80_000_000}


def resident(process):
    """Returns the resident memory of a process in MB; 0 if it has ended."""
    try:
        return process.memory_info().rss / 1e6
    except psutil.NoSuchProcess:
        return 0.0


def processes_of_children():
    """The processes of children below this one."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            line = " ".join(process.cmdline())
        except psutil.NoSuchProcess:
            continue
        if any(mark in line for mark in MARKS):
            found.append(process)
    return found


class Recorder:
    """Replaces the progress display: records memory every ten trials."""

    def __init__(self, oracle):
        self.own, self.children = [], []
        self.peak, self.ended = 0, 0

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass

    def update(self, trial):
        self.peak = max([self.peak, *map(resident, processes_of_children())])
        self.ended += 1
        if self.ended % EVERY == 0:
            self.own.append(resident(psutil.Process()))
            self.children.append(self.peak)
            self.peak = 0


def make_evaluator():
    dataset = load_dataset(
        "digits", image_size=8, validation_split=0.2, images=200
    )
    return TrainFromScratch(dataset, ChildRecipe(filters=2, epochs=1))


ENGINES = {
    "one process": lambda evaluator: evaluator,
    "processes": lambda evaluator: Isolated(evaluator, EVERY),
    "two workers": lambda evaluator: Isolated(evaluator, EVERY, workers=2),
    "Ray, two actors": lambda evaluator: OnRay(
        evaluator, children_per_process=EVERY, **TWO_CORES
    ),
}


def measure(name, folder, trials):
    """Returns megabytes after every ten trials, of search and children."""
    recorders = []

    def progress(oracle):
        recorders.append(Recorder(oracle))
        return recorders[0]

    search(
        *(None, folder, trials, NASNetSpace(blocks=1), "random"),
        ENGINES[name](make_evaluator()),
        progress=progress,
    )
    return {"search": recorders[0].own, "children": recorders[0].children}


# KerasTuner's chief and a worker, each in a process of its own.


def be_chief(folder, trials, environment):
    os.environ.update(environment, KERASTUNER_TUNER_ID="chief")
    space = NASNetSpace(blocks=1)
    search(None, folder, trials, space, "random", make_evaluator())


def be_worker(folder, trials, environment):
    os.environ.update(environment, KERASTUNER_TUNER_ID="worker")
    recorder = Recorder(None)
    evaluator = Isolated(make_evaluator(), EVERY)
    call = evaluator._call

    def counted(*arguments):
        evaluation = call(*arguments)
        recorder.update(None)
        return evaluation

    evaluator._call = counted
    space = NASNetSpace(blocks=1)
    search(None, folder, trials, space, "random", evaluator)
    return {"search": recorder.own, "children": recorder.children}


def measure_chief(folder, trials):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        environment = {
            "KERASTUNER_ORACLE_IP": "127.0.0.1",
            "KERASTUNER_ORACLE_PORT": str(free.getsockname()[1]),
        }
    context = multiprocessing.get_context("spawn")
    arguments = folder, trials, environment
    chief = context.Process(target=be_chief, args=arguments)
    chief.start()
    found = in_new_process(be_worker, *arguments)
    chief.join()
    return found


def in_new_process(function, *arguments):
    """Returns what a function returns in a process of its own.

    It may have processes of its own, which those of a pool may not.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_send, args=(theirs, function, *arguments))
    process.start()
    theirs.close()
    found = ours.recv()
    process.join()
    return found


def _send(pipe, function, *arguments):
    pipe.send(function(*arguments))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--output", type=pathlib.Path, default=OUTPUT)
    args = parser.parse_args()
    found = {}
    for name in [*ENGINES, "chief and worker"]:
        with tempfile.TemporaryDirectory() as folder:
            arguments = f"{folder}/run", args.trials
            if name in ENGINES:
                found[name] = in_new_process(measure, name, *arguments)
            else:
                found[name] = measure_chief(*arguments)
    steps = [f"{n}" for n in range(EVERY, args.trials + 1, EVERY)]
    print(f"| MB after trial | {' | '.join(steps)} |")
    print("|---" * (len(steps) + 1) + "|")
    for name, parts in found.items():
        for part, values in parts.items():
            row = " | ".join(f"{value:.0f}" for value in values)
            print(f"| {name}: {part} | {row} |")
    content = {"megabytes": found, "produced_by": provenance("keras-tuner")}
    write_json(args.output, content)


if __name__ == "__main__":
    main()
