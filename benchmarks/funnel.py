"""Does a search beat random on CIFAR-10? Paired searches, resumable.

    python benchmarks/funnel.py --data-dir DATA --pairs 1     # within an hour
    python benchmarks/funnel.py --data-dir DATA --pairs 6     # the sign test
    python benchmarks/funnel.py --data-dir DATA --pairs 6 --ranked 24

A pair is a search by the predictor and a random search of equal cost: as many
children of about equal parameters in each stage of a funnel (125 steps, then
the best 8 for 375 steps with another seed), rewarded by cross-entropy. The
winner of each, and NASNet-A, are then trained for longer under one recipe at
equal parameters, with seeds of their own; test images are used for these
networks alone, once each. The unit of the sign test is the pair.

`--ranked`: Kendall's tau of the short reward of so many random cells and their
accuracy on the test images after the longer schedule, with another seed.

`--long`: the best searched cell of all pairs, the best random one and NASNet-A
at 32x32 with two cells per stack and a longer recipe, 3 seeds. Which is best
follows from the rewards of the last stages, not from test images. On a GPU,
with a file of `nasnet convert-data cifar10`:

    KERAS_BACKEND=jax python benchmarks/funnel.py --data cifar10.npz --long \\
        --pairs 6 --long-images 50000 --long-steps 10500

Images are 16x16, 8,000 to train and 2,000 for rewards. Journals are kept in
`benchmarks/results/funnel/`: the same command goes on where it was stopped, on
another machine too. Prints its tables; writes `benchmarks/results/funnel.json`.
"""

import argparse
import concurrent.futures
import contextlib
import dataclasses
import functools
import json
import multiprocessing
import os
import pathlib
import statistics
import time
from typing import NamedTuple

THREADS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")
RESULTS = pathlib.Path(__file__).parent / "results"
ORACLES = {"searched": "predictor", "random": "random"}
LABELS = (*ORACLES, "nasnet_a")
FINAL, MINUTES, RANKED = "final.json", "minutes.json", "ranked.json"
LONG = "long.json"


@dataclasses.dataclass(frozen=True)
class Task:
    """A search, or the training of a network.

    Args:
        pair: Integer, also the seed of its searches.
        label: `"searched"`, `"random"` or `"nasnet_a"`.
        seed: Optional integer, of a training; `None` is the search.
    """

    pair: int
    label: str
    seed: int | None = None


class LongTraining(NamedTuple):
    """A longer training of a larger network, see `--long`.

    Args:
        label: String.
        cell: Dictionary, the genotype.
        seed: Integer.
    """

    label: str
    cell: dict
    seed: int


class Benchmark:
    """What the processes of the benchmark do.

    Args:
        args: The parsed arguments.
    """

    def __init__(self, args):
        from nasnet_keras.search import ChildRecipe, find_space

        self.args = args
        self.space = find_space(args.space, args.blocks)
        self.recipe = ChildRecipe(parameters=args.parameters)

    @functools.cached_property
    def dataset(self):
        """The images of the searches."""
        return self._load(self.args.image_size, self.args.images)

    @functools.cached_property
    def long_dataset(self):
        """The images of the longer trainings, in their own size."""
        return self._load(32, self.args.long_images)

    def _load(self, side, images):
        from nasnet_keras.training.data import load_dataset

        return load_dataset(
            self.args.data,
            data_dir=self.args.data_dir,
            image_size=side,
            validation_split=0.2,
            images=images,
        )

    def folder(self, task):
        """Returns the folder of a task's search."""
        return self.args.directory / f"{task.pair:02d}" / task.label

    def search(self, task):
        """Runs or resumes a search; returns the minutes it took in all."""
        from nasnet_keras.search import (
            Isolated,
            Reward,
            TrainFromScratch,
            search,
        )

        evaluator = TrainFromScratch(
            self.dataset,
            self.recipe,
            task.pair,
            reward=Reward(quality="val_likelihood"),
            funnel=self.args.funnel,
        )
        folder = self.folder(task)
        with _timed(folder / MINUTES):
            search(
                self.dataset,
                folder,
                space=self.space,
                oracle=ORACLES[task.label],
                evaluator=Isolated(evaluator, threads=1),
                seed=task.pair,
                progress=lambda oracle: _Lines(task, oracle),
            )

    def genotype(self, task):
        """Returns the winner of a search, or NASNet-A."""
        from nasnet_keras import NASNET_A
        from nasnet_keras.search import open_search

        if task.label not in ORACLES:
            return NASNET_A
        return open_search(self.folder(task), self.space).genotypes()[0]

    def train(self, genotype, recipe, dataset, seed):
        """Returns parameters, filters and test accuracy (%) of a network."""
        from nasnet_keras.search.evaluators.children import (
            accuracy,
            child_network,
            train_child,
        )
        from nasnet_keras.search.evaluators.memory import free_memory

        model = train_child(genotype, recipe, dataset, seed)
        network = child_network(recipe, dataset).sized(genotype)
        test = 100 * accuracy(model, dataset.test)
        result = {
            "test": round(test, 2),
            "parameters": model.count_params(),
            "filters": network.filters,
        }
        del model
        free_memory()
        return result

    def train_for(self, genotype, steps, seed):
        """Trains with the children's recipe for so many steps."""
        recipe = dataclasses.replace(self.recipe, steps=steps)
        return self.train(genotype, recipe, self.dataset, seed)

    def train_long(self, genotype, seed):
        """Trains a larger network, with augmented images."""
        recipe = dataclasses.replace(
            self.recipe,
            cells_per_stack=2,
            parameters=self.args.long_parameters,
            steps=self.args.long_steps,
            augmentation="cifar",
        )
        return self.train(genotype, recipe, self.long_dataset, seed)


class _Lines:
    """Prints a line for each child of a search."""

    def __init__(self, task, oracle):
        self.task, self.oracle = task, oracle

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass

    def update(self, trial):
        done = len(self.oracle.end_order)
        self.report(f"trial {done}: reward {trial.score}")

    def report(self, line):
        print(f"pair {self.task.pair}, {self.task.label}: {line}", flush=True)


@contextlib.contextmanager
def _timed(path):
    """Adds the minutes of the block to those in a file."""
    began = time.monotonic()
    try:
        yield
    finally:
        minutes = _minutes(path) + (time.monotonic() - began) / 60
        path.write_text(f"{minutes:.2f}\n")


def _minutes(path):
    return json.loads(path.read_text()) if path.is_file() else 0


def _read(path):
    return json.loads(path.read_text()) if path.is_file() else {}


def _begin(args):
    """Initializes a process of the pool."""
    global _benchmark
    _benchmark = Benchmark(args)


def _run(task):
    """Runs a task in a process of the pool."""
    if task.seed is None:
        return _benchmark.search(task)
    return _benchmark.train_for(
        _benchmark.genotype(task), _benchmark.args.final_steps, task.seed
    )


def _train_cell(cell, steps, seed):
    from nasnet_keras import Genotype

    return _benchmark.train_for(Genotype.from_dict(cell), steps, seed)


def _train_long(training):
    from nasnet_keras import Genotype

    cell = Genotype.from_dict(training.cell)
    return _benchmark.train_long(cell, training.seed)


class Pairs:
    """Runs the pairs on a pool of processes, and keeps what they found.

    Args:
        args: The parsed arguments.
        pool: Executor whose processes hold a `Benchmark`.
    """

    def __init__(self, args, pool):
        self.args, self.pool = args, pool

    def run(self, pair):
        """Returns label -> list of results by seed."""
        list(self.pool.map(_run, [Task(pair, label) for label in ORACLES]))
        path = self.args.directory / f"{pair:02d}" / FINAL
        # A network has the same seeds wherever it is trained.
        known = _read(path)
        tasks = [
            Task(pair, label, 1000 * (pair + 1) + number)
            for number in range(self.args.seeds)
            for label in LABELS
        ]
        futures = {
            self.pool.submit(_run, task): task
            for task in tasks
            if str(task.seed) not in known.get(task.label, {})
        }
        for future in concurrent.futures.as_completed(futures):
            task = futures[future]
            known.setdefault(task.label, {})[str(task.seed)] = future.result()
            _write(path, known)
            print(task, future.result(), flush=True)
        return {
            label: [
                known[label][str(t.seed)] for t in tasks if t.label == label
            ]
            for label in LABELS
        }

    def long(self, pairs):
        """Returns label -> list of results by seed, of the longer trainings.

        Args:
            pairs: Integer, the pairs whose best cells are compared.
        """
        cells = {label: self._best_of(label, pairs) for label in LABELS}
        path = self.args.directory / LONG
        known = _read(path)
        trainings = [
            LongTraining(label, cell, 9000 + number)
            for number in range(self.args.seeds)
            for label, cell in cells.items()
        ]
        keys = [json.dumps([t.cell, t.seed]) for t in trainings]
        futures = {
            self.pool.submit(_train_long, training): (key, training.label)
            for key, training in zip(keys, trainings)
            if key not in known
        }
        for future in concurrent.futures.as_completed(futures):
            key, label = futures[future]
            known[key] = future.result()
            _write(path, known)
            print(label, future.result(), flush=True)
        return {
            label: [
                known[key]
                for key, training in zip(keys, trainings)
                if training.label == label
            ]
            for label in LABELS
        }

    def _best_of(self, label, pairs):
        """Returns the winner with the highest reward of a last stage."""
        from nasnet_keras import NASNET_A
        from nasnet_keras.search import find_space, open_search

        if label not in ORACLES:
            return NASNET_A.to_dict()
        space = find_space(self.args.space, self.args.blocks)
        found = [
            open_search(self.args.directory / f"{pair:02d}" / label, space)
            for pair in range(pairs)
        ]
        best = max(found, key=lambda results: results.best()[0]["score"])
        return best.genotypes()[0].to_dict()

    def tau(self, number):
        """Returns Kendall's tau of rewards and later accuracies."""
        from scipy.stats import kendalltau

        from nasnet_keras.search import find_space, open_search

        space = find_space(self.args.space, self.args.blocks)
        found = open_search(self.args.directory / "00" / "random", space)
        records = found.records[:number]  # As they came: at random.
        path = self.args.directory / RANKED
        known = _read(path)
        steps = int(self.args.funnel.split(",")[-1].split("x")[0])
        futures = {
            self.pool.submit(
                _train_cell, found.genotype(record).to_dict(), steps, 77
            ): str(record["trial"])
            for record in records
            if str(record["trial"]) not in known
        }
        for future in concurrent.futures.as_completed(futures):
            known[futures[future]] = future.result()
            _write(path, known)
            print("ranked", futures[future], future.result(), flush=True)
        pairs = [
            (record["score"], known[str(record["trial"])]["test"])
            for record in records
        ]
        tau, p = kendalltau(*zip(*pairs))
        return {"tau": float(tau), "p": float(p), "pairs": pairs}


def _write(path, content):
    from nasnet_keras.runs.files import write_json

    write_json(path, content)


def _mean(rows):
    return statistics.mean(row["test"] for row in rows)


def table(results, minutes):
    """Returns the results of all pairs as Markdown, and the sign tests.

    Args:
        results: Pair -> label -> list of results.
        minutes: Pair -> minutes of its searches, side by side.
    """
    from scipy.stats import binomtest

    lines = ["| pair | " + " | ".join(LABELS) + " | minutes |"]
    lines += ["|---" * (len(LABELS) + 2) + "|"]
    for pair, by_label in results.items():
        cells = [f"{_mean(by_label[label]):.2f}" for label in LABELS]
        # A pair that was paused beside other work has no file of minutes.
        taken = f"{minutes[pair]:.0f}" if minutes[pair] else "not timed"
        lines.append(f"| {pair} | " + " | ".join(cells) + f" | {taken} |")
    for rival in LABELS[1:]:
        margins = [
            _mean(r["searched"]) - _mean(r[rival]) for r in results.values()
        ]
        wins = sum(margin > 0 for margin in margins)
        p = binomtest(wins, len(margins)).pvalue
        lines.append(
            f"\nsearched above {rival}: {wins} of {len(margins)} pairs (sign "
            f"test, two-sided p = {p:.3f}), by {statistics.mean(margins):+.2f} "
            "points on average"
        )
    return "\n".join(lines)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", default="cifar10")
    parser.add_argument("--data-dir")
    parser.add_argument("--space", default="nasnet_a_wired")
    parser.add_argument("--funnel", default="125x48,375x8")
    for name, default in {
        "blocks": 3,
        "image-size": 16,
        "images": 10000,
        "parameters": 75000,
        "final-steps": 875,
        "seeds": 3,
        "pairs": 1,
        "ranked": 0,
        "processes": 2,
        "long-images": 10000,
        "long-parameters": 370000,
        "long-steps": 1875,
    }.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument(
        "--directory", type=pathlib.Path, default=RESULTS / "funnel"
    )
    parser.add_argument(
        "--output", type=pathlib.Path, default=RESULTS / "funnel.json"
    )
    parser.add_argument("--long", action="store_true")
    return parser.parse_args()


def main():
    args = parse()
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"
    # Networks as small as these do not keep two cores busy.
    os.environ.update(dict.fromkeys(THREADS, "1"))
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    results, minutes, ranked, long = {}, {}, None, None
    with concurrent.futures.ProcessPoolExecutor(
        args.processes, multiprocessing.get_context("spawn"), _begin, [args]
    ) as pool:
        pairs = Pairs(args, pool)
        for pair in range(args.pairs):
            results[pair] = pairs.run(pair)
            minutes[pair] = max(
                _minutes(args.directory / f"{pair:02d}" / label / MINUTES)
                for label in ORACLES
            )
            print(table(results, minutes), flush=True)
        if args.ranked:
            ranked = pairs.tau(args.ranked)
            print(
                f"\nKendall's tau over {args.ranked} cells: "
                f"{ranked['tau']:.2f} (p = {ranked['p']:.3f})"
            )
        if args.long:
            long = pairs.long(args.pairs)
            for label, rows in long.items():
                by_seed = ", ".join(f"{row['test']:.2f}" for row in rows)
                print(f"{label}: {_mean(rows):.2f} ({by_seed})")
    from nasnet_keras.runs.provenance import provenance

    content = {
        "results": results,
        "search_minutes": minutes,
        "ranked": ranked,
        "long": long,
        "arguments": {
            name: str(value)
            for name, value in vars(args).items()
            if name not in ("data_dir", "directory", "output")
        },
        "produced_by": provenance("keras-tuner", "scikit-learn"),
    }
    _write(args.output, content)


if __name__ == "__main__":
    main()
