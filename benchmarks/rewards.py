"""Do the rewards of a search order its cells? Kendall's tau, resumable.

    python benchmarks/rewards.py --data-dir DATA --cells 24

The first random cells of the first pair of `funnel.py`, which must have been
run: their short rewards (125 steps, likelihood) against their accuracy on the
test images after the longer schedule of the funnel's last stage (375 steps),
with another seed. Then the short training once more with another seed: how
well accuracy and likelihood agree with themselves. Prints the taus; writes
`benchmarks/results/rewards.json`; what it trained is kept in
`benchmarks/results/funnel/rewards.json`.
"""

import dataclasses
import json

from small_cifar10 import Pool, Setting, make_parser, save

SEED = 77


def train(setting, cell, steps):
    """Trains a cell for so many steps; returns its test accuracy."""
    recipe = dataclasses.replace(setting.recipe, steps=steps)
    return setting.train(cell, recipe, setting.dataset, SEED)


def evaluate(setting, cell, steps):
    """Trains a cell as in the first stage, with another seed."""
    from nasnet_keras import Genotype
    from nasnet_keras.search import TrainFromScratch

    recipe = dataclasses.replace(setting.recipe, steps=steps)
    evaluator = TrainFromScratch(setting.dataset, recipe, SEED)
    measurements, _ = evaluator.compute(Genotype.from_dict(cell))
    return {name: measurements[name] for name in QUALITIES}


QUALITIES = ("val_accuracy", "val_likelihood")


def main():
    args = make_parser(__doc__, cells=24).parse_args()
    found = Setting(args).opened(0, "random")
    records = sorted(found.records, key=lambda record: record["trial"])
    records = records[: args.cells]  # As they were drawn: at random.
    short, *_, longer = (
        int(stage.split("x")[0]) for stage in args.funnel.split(",")
    )
    cells = [found.genotype(record).to_dict() for record in records]
    tasks = {
        f"{name}, {json.dumps(cell, sort_keys=True)}": (function, cell, steps)
        for cell in cells
        for name, function, steps in (
            (f"{longer} steps", train, longer),
            (f"{short} steps again", evaluate, short),
        )
    }
    with Pool(args) as pool:
        results = list(
            pool.run(tasks, args.directory / "rewards.json").values()
        )
    tests = [result["test"] for result in results[::2]]
    again = results[1::2]
    taus = {}
    for name in QUALITIES:
        first = [record["metrics"][name] for record in records]
        second = [result[name] for result in again]
        taus[f"{name}, test accuracy after {longer} steps"] = tau(first, tests)
        taus[f"{name}, {name} with another seed"] = tau(first, second)
    for pair, (value, p) in taus.items():
        print(f"tau {value:.2f} (p = {p:.3f}): {pair}")
    save(args, "rewards.json", {"cells": len(records), "taus": taus})


def tau(first, second):
    """Returns Kendall's tau and its p-value."""
    from scipy.stats import kendalltau

    found = kendalltau(first, second)
    return float(found.statistic), float(found.pvalue)


if __name__ == "__main__":
    main()
