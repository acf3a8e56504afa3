"""Oracles on a table of NAS-Bench-201: best validation accuracy, many seeds.

    python benchmarks/nasbench201.py ../shared/data/nasbench201_cifar10.csv

The table is a CSV with the columns `architecture` and `validation_accuracy`.
Every oracle runs through its public interface (`create_trial`, `end_trial`),
journal included. Prints the mean over the seeds of the best accuracy found
after 100, 200 and 500 evaluations.
"""

import argparse
import csv
import pathlib
import re
import tempfile
import time

import keras_tuner
import numpy as np

from nasnet_keras.search import PPOOracle, RandomOracle, SearchSpace

EDGES = ("0-1", "0-2", "1-2", "0-3", "1-3", "2-3")
BUDGETS = (100, 200, 500)
ORACLES = {
    "random": RandomOracle,
    "ppo small": lambda *args, **kwargs: PPOOracle(
        *args, settings="small", **kwargs
    ),
    "ppo paper": lambda *args, **kwargs: PPOOracle(
        *args, settings="paper", **kwargs
    ),
}


def read_table(path):
    """Returns a dictionary: tuple of six operations -> accuracy in percent."""
    with open(path, newline="") as file:
        return {
            tuple(re.findall(r"([\w]+)~", row["architecture"])): float(
                row["validation_accuracy"]
            )
            for row in csv.DictReader(file)
        }


def make_space(table):
    """Returns the space: one operation for each edge."""
    operations = sorted({name for cell in table for name in cell})
    return SearchSpace((edge, operations) for edge in EDGES)


def run(make_oracle, table, space, trials, seed):
    """Returns the best accuracy after each of `trials` evaluations."""
    accuracies = []
    with tempfile.TemporaryDirectory() as folder:
        oracle = make_oracle(space, max_trials=trials, seed=seed)
        oracle.verbose = 0
        oracle._set_project_dir(folder, "search")
        while (trial := oracle.create_trial("tuner")).status == "RUNNING":
            values = trial.hyperparameters.values
            accuracy = table[tuple(values[edge] for edge in EDGES)]
            oracle.update_trial(trial.trial_id, {"val_accuracy": accuracy})
            trial.status = keras_tuner.engine.trial.TrialStatus.COMPLETED
            oracle.end_trial(trial)
            accuracies.append(accuracy)
        oracle.close()
    return np.maximum.accumulate(accuracies)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("table", type=pathlib.Path)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--oracles", nargs="+", default=list(ORACLES))
    args = parser.parse_args()
    table = read_table(args.table)
    space = make_space(table)
    print(f"{len(table)} architectures, optimum {max(table.values()):.3f}")
    print(
        f"{'oracle':12}" + "".join(f"{b:>9}" for b in BUDGETS) + "    seconds"
    )
    for name in args.oracles:
        began = time.time()
        curves = [
            run(ORACLES[name], table, space, max(BUDGETS), seed)
            for seed in range(args.seeds)
        ]
        means = np.mean(curves, axis=0)
        row = "".join(f"{means[budget - 1]:9.2f}" for budget in BUDGETS)
        print(f"{name:12}{row}{time.time() - began:11.0f}", flush=True)


if __name__ == "__main__":
    main()
