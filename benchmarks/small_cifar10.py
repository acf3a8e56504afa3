"""Small networks on CIFAR-10: what funnel.py, rewards.py and longer.py share.

Each training or search is a task in one of several processes; its result is
written at once, so that a benchmark that was stopped goes on, on another
machine too.
"""

import argparse
import concurrent.futures
import functools
import json
import multiprocessing
import os
import pathlib

THREADS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")
RESULTS = pathlib.Path(__file__).parent / "results"
ORACLES = {"searched": "predictor", "random": "random"}
LABELS = (*ORACLES, "nasnet_a")


def make_parser(description, **integers):
    """Returns a parser of the common arguments and of a benchmark's own.

    Args:
        description: String, the script's docstring.
        integers: Name -> default of the benchmark's own integers.
    """
    parser = argparse.ArgumentParser(description=description.split("\n")[0])
    parser.add_argument("--data", default="cifar10")
    parser.add_argument("--data-dir")
    parser.add_argument("--space", default="nasnet_a_wired")
    parser.add_argument("--funnel", default="125x80,375x10")
    common = {
        "blocks": 3,
        "image-size": 16,
        "images": 50000,
        "parameters": 75000,
        "seeds": 3,
        "pairs": 1,
        "processes": 2,
    }
    for name, default in {**common, **integers}.items():
        name = "--" + name.replace("_", "-")
        parser.add_argument(name, type=int, default=default)
    parser.add_argument(
        "--directory", type=pathlib.Path, default=RESULTS / "funnel"
    )
    return parser


class Setting:
    """Images, space and recipe; in each process of a pool.

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
        """The images of the searches: a fifth of them is for validation."""
        return self.load(self.args.image_size, self.args.images, 0.2)

    def load(self, side, images, validation_split):
        """Returns the images in a size; all that there are if `images` is 0."""
        from nasnet_keras.training.data import load_dataset

        return load_dataset(
            self.args.data,
            data_dir=self.args.data_dir,
            image_size=side,
            validation_split=validation_split,
            images=images or None,
        )

    def folder(self, pair, label):
        """Returns the folder of a search."""
        return self.args.directory / f"{pair:02d}" / label

    def opened(self, pair, label):
        """Returns the `SearchResults` of a search."""
        from nasnet_keras.search import open_search

        return open_search(self.folder(pair, label), self.space)

    def train(self, cell, recipe, dataset, seed, callbacks=()):
        """Returns parameters, filters and test accuracy (%) of a network.

        Args:
            cell: Dictionary, the genotype.
            recipe: `ChildRecipe`.
            dataset: `Dataset`.
            seed: Integer.
            callbacks: Keras callbacks.
        """
        from nasnet_keras import Genotype
        from nasnet_keras.search.evaluators.children import (
            accuracy,
            child_network,
            train_child,
        )
        from nasnet_keras.search.evaluators.memory import free_memory

        genotype = Genotype.from_dict(cell)
        model = train_child(genotype, recipe, dataset, seed, callbacks)
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


_setting = None


def _begin(args):
    global _setting
    _setting = Setting(args)


def _call(function, *arguments):
    return function(_setting, *arguments)


class Pool:
    """Processes that run functions of a `Setting`; a context manager.

    Args:
        args: The parsed arguments.
    """

    def __init__(self, args):
        os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"
        # Networks as small as these do not keep two cores busy.
        os.environ.update(dict.fromkeys(THREADS, "1"))
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
        self.executor = concurrent.futures.ProcessPoolExecutor(
            args.processes,
            multiprocessing.get_context("spawn"),
            _begin,
            [args],
        )

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.executor.shutdown(cancel_futures=True)

    def run(self, tasks, path=None):
        """Runs what is not yet known; returns key -> result, in their order.

        Args:
            tasks: Dictionary, key (a string) -> tuple: a function at the top
                of a module, and its arguments after the `Setting`.
            path: Path of a JSON file that keeps the results; `None` keeps
                none.
        """
        known = read(path) if path else {}
        futures = {
            self.executor.submit(_call, *task): key
            for key, task in tasks.items()
            if key not in known
        }
        for future in concurrent.futures.as_completed(futures):
            key = futures[future]
            known[key] = future.result()
            if path:
                write(path, known)
            print(f"{key}: {known[key]}", flush=True)
        return {key: known[key] for key in tasks}


def read(path):
    """Returns the content of a JSON file; `{}` if there is none."""
    return json.loads(path.read_text()) if path.is_file() else {}


def write(path, content):
    """Replaces a JSON file at once."""
    from nasnet_keras.runs.files import write_json

    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, content)


def save(args, name, content):
    """Writes the results of a benchmark, with what they depend on."""
    from nasnet_keras.runs.provenance import provenance

    settings = {
        key: str(value)
        for key, value in vars(args).items()
        if key not in ("data_dir", "directory")
    }
    content = {
        **content,
        "arguments": settings,
        "produced_by": provenance("keras-tuner", "scikit-learn"),
    }
    write(RESULTS / name, content)
