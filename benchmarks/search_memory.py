"""Resident memory of a search that trains its children from scratch.

    python benchmarks/search_memory.py

Tiny children on digits, in the search's own process and in processes of ten
children each (`nasnet search --trials-per-process 10`, the default). Prints
the memory of the search's process, and with it that of the children's, after
10, 20, ... trials; writes its JSON to `benchmarks/results/`.
"""

import argparse
import multiprocessing
import pathlib
import tempfile

from nasnet_keras.runs.files import write_json
from nasnet_keras.runs.provenance import provenance
from nasnet_keras.search import (
    ChildRecipe,
    Isolated,
    NASNetSpace,
    TrainFromScratch,
    search,
)
from nasnet_keras.training.data import load_dataset

OUTPUT = pathlib.Path(__file__).parent / "results" / "search_memory.json"
EVERY = 10


def resident(process="self"):
    """Returns the resident memory of a process in MB."""
    status = pathlib.Path(f"/proc/{process}/status").read_text()
    (line,) = [x for x in status.splitlines() if x.startswith("VmRSS")]
    return int(line.split()[1]) / 1000


class Recorder:
    """Replaces the progress display: records memory every ten trials."""

    def __init__(self, oracle):
        self.own, self.children = [], []
        self.peak = 0

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass

    def update(self, trial):
        children = [p.pid for p in multiprocessing.active_children()]
        self.peak = max([self.peak, *map(resident, children)])
        if (int(trial.trial_id) + 1) % EVERY == 0:
            self.own.append(resident())
            self.children.append(self.peak)
            self.peak = 0


def measure(folder, trials, isolated):
    """Returns megabytes after every ten trials, of search and children."""
    dataset = load_dataset(
        "digits", image_size=8, validation_split=0.2, images=200
    )
    evaluator = TrainFromScratch(dataset, ChildRecipe(filters=2, epochs=1))
    if isolated:
        evaluator = Isolated(evaluator, EVERY)
    recorders = []

    def progress(oracle):
        recorders.append(Recorder(oracle))
        return recorders[0]

    space = NASNetSpace(blocks=1)
    search(
        dataset, folder, trials, space, "random", evaluator, progress=progress
    )
    return {"search": recorders[0].own, "children": recorders[0].children}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--output", type=pathlib.Path, default=OUTPUT)
    args = parser.parse_args()
    found = {}
    for name, isolated in (("processes", True), ("one process", False)):
        with tempfile.TemporaryDirectory() as folder:
            found[name] = measure(f"{folder}/run", args.trials, isolated)
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
