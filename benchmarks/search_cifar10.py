"""A search on CIFAR-10, against random search and NASNet-A; under an hour.

    python benchmarks/search_cifar10.py --data-dir DATA

1. A search with shared weights, and a random search of as many cells with
   shared weights of its own, side by side. The cells are wired as the first
   blocks of NASNet-A's.
2. The best cell of each, and NASNet-A, trained from scratch under one recipe
   at about equal parameters, 3 seeds: test accuracy.
3. Random cells trained from scratch: Kendall's rank correlation of their
   validation accuracy with the reward that the shared weights gave them.

Results are kept in `--directory`; the same command resumes a stopped run.
Prints its tables; writes its JSON and its plot to `benchmarks/results/`.

Where there is a GPU, all of CIFAR-10 in its own size, without TensorFlow:

    nasnet convert-data cifar10 cifar10.npz --data-dir DATA
    KERAS_BACKEND=jax python benchmarks/search_cifar10.py --data cifar10.npz \\
        --image-size 32 --images 50000 --filters 16 --trials 1000 \\
        --warm-up 6000 --steps 200 --epochs 15 --ranked-epochs 5
"""

import argparse
import concurrent.futures
import contextlib
import dataclasses
import json
import multiprocessing
import os
import pathlib
import time

import training as networks  # Before Keras: it sets how TensorFlow computes.

from nasnet_keras import NASNET_A, Genotype
from nasnet_keras.runs.files import write_atomically, write_json
from nasnet_keras.runs.provenance import provenance
from nasnet_keras.search import (
    Network,
    Rounds,
    SharedWeights,
    find_space,
    open_search,
    search,
)
from nasnet_keras.search.evaluators.shared.evaluator import SHARED_RECIPE
from nasnet_keras.training.data import load_dataset

ORACLES = {"searched": "predictor", "random": "random"}
MINUTES = "minutes.json"
PAPER_HOURS = 48_000  # 500 GPUs for four days.
THREADS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")


@dataclasses.dataclass(frozen=True)
class Training:
    """One network to train.

    Args:
        genotype: `Genotype`.
        filters: Integer, F.
        seed: Integer.
        epochs: Integer.
        test: Boolean, whether it is tested.
    """

    genotype: Genotype
    filters: int
    seed: int
    epochs: int
    test: bool = True

    @property
    def key(self):
        """The key of its result in the file of results."""
        cells = self.genotype.to_dict()
        cells.pop("name", None)
        return json.dumps(
            [cells, self.filters, self.seed, self.epochs, self.test]
        )


@contextlib.contextmanager
def timed(folder):
    """Adds the minutes of the block to those of stopped runs in a folder."""
    began = time.time()
    try:
        yield
    finally:
        minutes = minutes_of(folder) + (time.time() - began) / 60
        write_atomically(folder / MINUTES, f"{minutes}\n")


def minutes_of(folder):
    """Returns the minutes recorded in a folder."""
    path = folder / MINUTES
    return json.loads(path.read_text()) if path.is_file() else 0


class Benchmark:
    """State and methods that the parts of the benchmark share.

    Args:
        args: The parsed arguments.
        pool: Optional executor for searches and trainings.
    """

    def __init__(self, args, pool=None):
        self.args = args
        self.pool = pool
        self.space = find_space(args.space, args.blocks)
        self.dataset = load_dataset(
            args.data,
            data_dir=args.data_dir,
            image_size=args.image_size,
            validation_split=0.2,
            images=args.images,
        )
        self.recipe = networks.plain_recipe(
            epochs=args.epochs, image_size=args.image_size
        )
        self.network = Network(
            cells_per_stack=1,
            filters=args.filters,
            side=args.image_size,
            classes=10,
        )
        self.evaluator = SharedWeights(
            self.space,
            self.dataset,
            dataclasses.replace(
                SHARED_RECIPE, filters=args.filters, augmentation="cifar"
            ),
            Rounds(
                warm_up_steps=args.warm_up,
                steps=args.steps,
                reward_images=args.reward_images,
            ),
        )
        self.path = args.directory / "trained.json"
        self.trained = {}
        if self.path.is_file():
            self.trained = json.loads(self.path.read_text())

    def search(self, label):
        """Runs or resumes a search; returns the minutes it took."""
        folder = self.args.directory / label
        with timed(folder):
            search(
                self.dataset,
                folder,
                self.args.trials,
                self.space,
                ORACLES[label],
                self.evaluator,
            )
        return minutes_of(folder)

    def train(self, trainings):
        """Trains what has not been trained yet.

        Args:
            trainings: List of `Training`.

        Returns:
            List of their results, in order.
        """
        missing = {t.key: t for t in trainings if t.key not in self.trained}
        futures = {
            self.pool.submit(_train, training): key
            for key, training in missing.items()
        }
        for future in concurrent.futures.as_completed(futures):
            self.trained[futures[future]] = future.result()
            content = json.dumps(self.trained) + "\n"
            write_atomically(self.path, content)
        return [self.trained[training.key] for training in trainings]

    def train_one(self, training):
        """Returns the results of a training."""
        network = dataclasses.replace(self.network, filters=training.filters)
        began = time.time()
        result = networks.train_and_test(
            lambda: network.build(
                training.genotype, include_preprocessing=True
            ),
            dataclasses.replace(self.recipe, epochs=training.epochs),
            self.dataset,
            training.seed,
            test=training.test,
        )
        result["parameters"] = network.count(training.genotype).parameters
        result["seconds"] = round(time.time() - began, 1)
        return result

    def compare(self, cells):
        """Returns label -> results by seed, at NASNet-A's parameters."""
        target = self.network.count(NASNET_A).parameters
        trainings = {
            label: [
                Training(
                    genotype,
                    self.network.with_size(parameters=target).filters_of(
                        genotype
                    ),
                    seed,
                    self.args.epochs,
                )
                for seed in range(self.args.seeds)
            ]
            for label, genotype in cells.items()
        }
        self.train([t for by_seed in trainings.values() for t in by_seed])
        return {
            label: self.train(by_seed) for label, by_seed in trainings.items()
        }

    def correlation(self, found):
        """Returns Kendall's tau of rewards and accuracies, and these pairs."""
        from scipy.stats import kendalltau

        # The latest: their shared weights were trained for the longest.
        records = found.records[-self.args.ranked :]
        args = self.args
        results = self.train(
            [
                Training(
                    Genotype(*self.space.make_cells(record["values"])),
                    args.filters,
                    0,
                    args.ranked_epochs,
                    test=False,
                )
                for record in records
            ]
        )
        pairs = [
            (record["score"], result["curve"][-1] / 100)
            for record, result in zip(records, results)
        ]
        tau, p = kendalltau(*zip(*pairs))
        return {"tau": float(tau), "p": float(p), "pairs": pairs}


def _begin(args):
    """Initializes a process of the pool."""
    global _benchmark
    _benchmark = Benchmark(args)


def _search(label):
    return _benchmark.search(label)


def _train(training):
    return _benchmark.train_one(training)


def make_pool(args):
    """Returns processes of one thread each.

    Networks as small as these do not keep two cores busy.
    """
    os.environ.update(dict.fromkeys(THREADS, "1"))
    # The processes share the memory of a GPU.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    return concurrent.futures.ProcessPoolExecutor(
        args.processes, multiprocessing.get_context("spawn"), _begin, [args]
    )


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", default="cifar10")
    parser.add_argument("--data-dir")
    parser.add_argument("--space", default="nasnet_a_wired")
    parser.add_argument("--blocks", type=int, default=3)
    for name, default in {
        "image-size": 16,
        "images": 10000,
        "filters": 8,
        "trials": 200,
        "warm-up": 1200,
        "steps": 60,
        "reward-images": 2000,
        "epochs": 7,
        "seeds": 3,
        "ranked": 16,
        "ranked-epochs": 3,
        "processes": 2,
    }.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument(
        "--directory", type=pathlib.Path, default="runs/search_cifar10"
    )
    parser.add_argument(
        "--output",
        type=pathlib.Path,
        default=networks.RESULTS / "search_cifar10.json",
    )
    return parser.parse_args()


def run(args, benchmark):
    """Runs the parts; prints and returns their results."""
    import seeds

    minutes = dict(zip(ORACLES, benchmark.pool.map(_search, ORACLES)))
    found = {
        label: open_search(args.directory / label, benchmark.space)
        for label in ORACLES
    }
    for label in ORACLES:
        (best,) = found[label].best()
        print(
            f"{label}: best reward {best['score']:.3f} of "
            f"{len(found[label].records)} cells, {minutes[label]:.1f} min",
            flush=True,
        )
    cells = {label: f.genotypes()[0] for label, f in found.items()}
    results = benchmark.compare({**cells, "NASNet-A": NASNET_A})
    measures = {"test": "test accuracy, %", "parameters": "parameters"}
    seeds.print_table(results, measures)
    correlation = benchmark.correlation(found["random"])
    print(
        f"\nKendall's tau over {len(correlation['pairs'])} cells: "
        f"{correlation['tau']:.2f} (p = {correlation['p']:.2f})"
    )
    print(
        f"The search took {minutes['searched'] / 60:.2f} hours on this "
        f"machine; the paper's {PAPER_HOURS:,} GPU-hours."
    )
    return {
        "search_minutes": minutes,
        "cells": {k: g.to_dict() for k, g in cells.items()},
        "results": results,
        "correlation": correlation,
    }


def main():
    import seeds

    args = parse()
    with timed(args.directory), make_pool(args) as pool:
        content = run(args, Benchmark(args, pool))
    content["minutes"] = minutes_of(args.directory)
    print(f"{content['minutes']:.0f} min in all")
    arguments = {k: str(v) for k, v in vars(args).items()}
    for name in ("data", "data_dir", "directory", "output"):
        del arguments[name]
    content["arguments"] = arguments
    content["produced_by"] = provenance("keras-tuner", "scikit-learn")
    write_json(args.output, content)
    picture = args.output.with_suffix(".png")
    seeds.plot(content["results"], picture, "validation accuracy, %")


if __name__ == "__main__":
    main()
