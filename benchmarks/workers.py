"""A search with one worker and with two: children an hour, and equal results.

    python benchmarks/workers.py [--children 40] [--repeats 1]

Random cells of the paper's space on digits (8 pixels, one thread each in both),
and of NASNet-A's wiring on 16 pixels (both cores for one worker, one each for
two), trained from scratch as in `nasnet search`. Prints children an hour, their
ratio, and whether each trial has the same reward; writes
`benchmarks/results/workers.json`.
"""

import argparse
import pathlib
import statistics
import tempfile
import time

from children import make_dataset

OUTPUT = pathlib.Path(__file__).parent / "results" / "workers.json"
SETTINGS = ("digits", "16 pixels")
WORKERS = (1, 2)


def run(setting, workers, children):
    """Returns the seconds of a search and the rewards of its trials."""
    import keras_tuner

    from nasnet_keras.search import (
        CellTuner,
        Isolated,
        RandomOracle,
        TrainFromScratch,
    )

    space, recipe, dataset = make_dataset(setting)
    evaluator = Isolated(TrainFromScratch(dataset, recipe), workers=workers)
    oracle = RandomOracle(
        space,
        max_trials=children,
        objective=keras_tuner.Objective("reward", "max"),
    )
    oracle.verbose = 0
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        CellTuner(oracle, evaluator, folder, "run").search()
        seconds = time.monotonic() - began
        evaluator.close()
        oracle.close()
    rewards = {r["trial"]: r["score"] for r in oracle.records}
    return seconds, [rewards[number] for number in range(children)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--children", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--settings", nargs="*", default=SETTINGS)
    parser.add_argument("--output", type=pathlib.Path, default=OUTPUT)
    args = parser.parse_args()
    found = {}
    print("| children | 1 worker | 2 workers | ratio | largest difference |")
    print("|---|---|---|---|---|")
    for setting in args.settings:
        seconds, rewards = {w: [] for w in WORKERS}, {}
        for _ in range(args.repeats):
            for workers in WORKERS:
                taken, rewards[workers] = run(setting, workers, args.children)
                seconds[workers].append(taken)
        one, two = (statistics.median(seconds[w]) for w in WORKERS)
        difference = max(abs(a - b) for a, b in zip(*rewards.values()))
        rates = [round(3600 * args.children / taken) for taken in (one, two)]
        print(
            f"| {setting} | {rates[0]} an hour | {rates[1]} | {one / two:.2f} "
            f"| {difference:.2g} |",
            flush=True,
        )
        found[setting] = {
            "seconds": {str(w): seconds[w] for w in WORKERS},
            "ratio": round(one / two, 3),
            "largest_difference": difference,
        }
    save(args, found)


def save(args, found):
    from nasnet_keras.runs.files import write_json
    from nasnet_keras.runs.provenance import provenance

    content = {
        "children": args.children,
        "settings": found,
        "produced_by": provenance("keras-tuner"),
    }
    write_json(args.output, content)


if __name__ == "__main__":
    main()
