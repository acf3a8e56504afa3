"""Oracles on a table of NAS-Bench-201: best validation accuracy, many seeds.

    python benchmarks/nasbench201.py ../shared/data/nasbench201_cifar10.csv

The table is a CSV with the columns `architecture` and `validation_accuracy`,
of all 15,625 cells or of some; only cells of the table are proposed.
Every oracle runs through its public interface (`create_trial`, `end_trial`),
journal included, with the same settings for all budgets. Prints the mean over
the seeds of the best accuracy found after 100, 200 and 500 evaluations; writes
JSON and a plot to `benchmarks/results/`, in files named after the table;
results of other oracles in that file are kept. `--warm` compares cold starts
with starts from an earlier search.
"""

import argparse
import functools
import json
import math
import pathlib
import tempfile
import time

import keras_tuner
import numpy as np

from nasnet_keras.runs.files import write_atomically
from nasnet_keras.runs.provenance import provenance
from nasnet_keras.search import (
    EvolutionOracle,
    NASBench201Space,
    PPOOracle,
    PredictorOracle,
    RandomOracle,
    ReinforceOracle,
)
from nasnet_keras.search.spaces.nasbench201 import EDGES, read_table

SPACE = NASBench201Space()
RESULTS = pathlib.Path(__file__).parent / "results"
BUDGETS = (100, 200, 500)
ORACLES = {
    "random": RandomOracle,
    "evolution": EvolutionOracle,
    "reinforce small": functools.partial(ReinforceOracle, settings="small"),
    "ppo small": functools.partial(PPOOracle, settings="small"),
    "ppo paper": functools.partial(PPOOracle, settings="paper"),
    "predictor": PredictorOracle,
}
EARLIER_TRIALS = 200
SEEDS = 20


class WithinTable:
    """A limit: only cells that have a row in the table are proposed."""

    def __init__(self, table):
        self.cells = {
            SPACE.to_genotype(dict(zip(EDGES, point))) for point in table
        }

    def __call__(self, genotype):
        return genotype in self.cells

    def describe(self):
        return f"{len(self.cells)} rows"


def run(make_oracle, table, folder, trials, seed, **options):
    """Returns the accuracy of each of `trials` evaluations."""
    accuracies = []
    if len(table) < math.prod(SPACE.sizes):
        options["limits"] = WithinTable(table)
    oracle = make_oracle(
        SPACE, max_trials=min(trials, len(table)), seed=seed, **options
    )
    oracle.verbose = 0
    oracle.folder = pathlib.Path(folder, "search")
    while (trial := oracle.create_trial("tuner")).status == "RUNNING":
        values = trial.hyperparameters.values
        accuracy = table[tuple(values[edge] for edge in EDGES)]
        oracle.update_trial(trial.trial_id, {"val_accuracy": accuracy})
        trial.status = keras_tuner.engine.trial.TrialStatus.COMPLETED
        oracle.end_trial(trial)
        accuracies.append(accuracy)
    oracle.close()
    return accuracies


def cold(make_oracle, table, trials, seed):
    """Returns the best accuracy after each evaluation."""
    with tempfile.TemporaryDirectory() as folder:
        found = run(make_oracle, table, folder, trials, seed)
    return best_so_far(found, trials)


def best_so_far(accuracies, trials):
    """Returns the best accuracy after each trial.

    If the table has fewer rows than trials, the last value is repeated.
    """
    missing = trials - len(accuracies)
    return np.pad(np.maximum.accumulate(accuracies), (0, missing), "edge")


def warm(make_oracle, table, trials, seed):
    """Returns the same as `cold`, after an earlier search of another seed."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        earlier = folder / "earlier"
        run(make_oracle, table, earlier, EARLIER_TRIALS, seed=1000 + seed)
        found = run(
            make_oracle,
            table,
            folder / "warm",
            trials,
            seed,
            warm_start=earlier / "search",
        )
    return best_so_far(found, trials)


def until(curve, level):
    """Returns the number of evaluations to reach a level, or `None`."""
    reached = np.flatnonzero(curve >= level)
    return int(reached[0]) + 1 if len(reached) else None


def compare_starts(names, table, args):
    """Prints how many evaluations reach a cold start's accuracy after 200."""
    print(f"{'oracle':16}    level   cold   warm  (medians of evaluations)")
    results = {}
    for name in names:
        seeds = range(args.seeds)
        curves = {
            start.__name__: [
                start(ORACLES[name], table, EARLIER_TRIALS, seed)
                for seed in seeds
            ]
            for start in (cold, warm)
        }
        level = float(np.median([c[-1] for c in curves["cold"]]))
        # A search that does not reach it counts one more than all trials.
        needed = {
            start: [until(c, level) or EARLIER_TRIALS + 1 for c in found]
            for start, found in curves.items()
        }
        medians = {s: float(np.median(n)) for s, n in needed.items()}
        results[name] = {"level": level, "evaluations": needed, **medians}
        print(
            f"{name:16} {level:8.2f} {medians['cold']:6.0f} "
            f"{medians['warm']:6.0f}",
            flush=True,
        )
    return results


def compare_oracles(names, table, args):
    """Prints the best accuracy after each budget; returns the curves."""
    print(
        f"{'oracle':16}" + "".join(f"{b:>9}" for b in BUDGETS) + "    seconds"
    )
    results = {}
    for name in names:
        began = time.time()
        curves = [
            cold(ORACLES[name], table, max(BUDGETS), seed)
            for seed in range(args.seeds)
        ]
        means = np.mean(curves, axis=0)
        row = "".join(f"{means[budget - 1]:9.2f}" for budget in BUDGETS)
        print(f"{name:16}{row}{time.time() - began:11.0f}", flush=True)
        results[name] = {
            "mean": [round(float(m), 4) for m in means],
            "at": {b: [float(c[b - 1]) for c in curves] for b in BUDGETS},
        }
    return results


def results_of(path, asked):
    """Returns the results in a file if its settings are the same."""
    content = json.loads(path.read_text()) if path.is_file() else {}
    same = all(content.get(name) == value for name, value in asked.items())
    return content["results"] if same else {}


def name_of_results(args):
    """Returns a file name that is unique to the settings."""
    name = args.table.stem + ("_warm" if args.warm else "")
    return name if args.seeds == SEEDS else f"{name}_{args.seeds}_seeds"


def plot(results, optimum, path):
    """Draws how far each oracle is from the optimum."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), dpi=150, layout="constrained")
    axes = figure.add_subplot(
        xlabel="evaluations", ylabel="accuracy below the optimum, %"
    )
    axes.set_yscale("log")
    axes.set_xscale("log")
    axes.grid(color="#e5e7eb", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    for name, result in results.items():
        below = np.maximum(optimum - np.array(result["mean"]), 1e-3)
        axes.plot(np.arange(1, len(below) + 1)[9:], below[9:], label=name)
    axes.legend(frameon=False, fontsize=9)
    figure.savefig(path)
    print(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("table", type=pathlib.Path)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--oracles", nargs="+", default=list(ORACLES))
    parser.add_argument("--warm", action="store_true")
    parser.add_argument("--output", type=pathlib.Path)
    args = parser.parse_args()
    table = read_table(args.table)
    optimum = max(table.values())
    print(f"{len(table)} architectures, optimum {optimum:.3f}")
    compare = compare_starts if args.warm else compare_oracles
    path = args.output or RESULTS / f"{name_of_results(args)}.json"
    asked = {
        "table": args.table.name,
        "optimum": optimum,
        "seeds": args.seeds,
    }
    known = results_of(path, asked)
    found = compare(args.oracles, table, args)
    known |= found
    # In the order of `ORACLES`, whatever was run first.
    results = {name: known[name] for name in ORACLES if name in known}
    content = {
        **asked,
        "results": results,
        "produced_by": provenance("keras-tuner", "scikit-learn"),
    }
    write_atomically(path, json.dumps(content) + "\n")
    if not args.warm:
        plot(results, optimum, path.with_suffix(".png"))


if __name__ == "__main__":
    main()
