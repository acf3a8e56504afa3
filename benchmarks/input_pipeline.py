"""Images per second of each input pipeline, and of training steps.

    python benchmarks/input_pipeline.py [--repeats 5] [--steps cifar mobile]

Pipelines, each by tf.data and by Keras' threads, which need no TensorFlow:
CIFAR's augmentation with cutout, arrays at 32 pixels; Inception's, arrays from
64 to 32 pixels; Inception's, JPEG files of 500x375 (ImageNet's usual size) at
224 pixels. Then training steps: NASNetCIFAR with one cell per stack
and 20 filters at 32 pixels, batch 128; NASNetMobile at 224, batch 16. Repeats
alternate between all of them; prints medians, minima and maxima.

Images are the flowers of the test data, enlarged if necessary.
"""

import os

# As in `nasnet train`.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import argparse
import concurrent.futures
import pathlib
import statistics
import tempfile
import time

import numpy as np
from PIL import Image

import nasnet_keras
from nasnet_keras.training.data import load_dataset
from nasnet_keras.training.feeds.make import make_feed
from nasnet_keras.training.optimizers import compile_model
from nasnet_keras.training.recipes import Recipe

ROOT = pathlib.Path(__file__).resolve().parents[1]
DATA = os.environ.get("NASNET_TEST_DATA", ROOT.parent / "shared" / "data")
IMAGES = 800


def write_photos(source, folder, size=(500, 375)):
    for path in source.iterdir():
        (folder / path.name).mkdir()
        for file in sorted(path.iterdir())[: IMAGES // 5]:
            with Image.open(file) as image:
                large = image.convert("RGB").resize(size)
            large.save(folder / path.name / f"{file.stem}.jpg", quality=90)


def make_feeds(folder):
    """Returns the feeds by name."""

    def feed(dataset, **settings):
        recipe = Recipe(epochs=10**6, learning_rate=0.1, **settings)
        return make_feed(dataset, recipe, seed=0)

    def arrays(side):
        return load_dataset(str(folder), image_size=side, in_memory=True)

    files = load_dataset(str(folder), image_size=224, in_memory=False)
    inception = {"augmentation": "inception", "batch_size": 128}
    return {
        "CIFAR, arrays, 32": feed(arrays(32), batch_size=128, cutout=16),
        "Inception, arrays, 32": feed(arrays(64), **inception),
        "Inception, JPEG, 224": feed(files, image_size=224, **inception),
    }


class TensorFlow:
    """Takes batches of a feed from tf.data."""

    def __init__(self, feed):
        self.size = feed.recipe.batch_size
        self.prefetched = feed.workers + 4
        self.iterator = iter(feed.tf_dataset())

    def __call__(self):
        next(self.iterator)


class Threads:
    """Takes batches of a feed from as many threads as Keras starts."""

    def __init__(self, feed):
        self.size = feed.recipe.batch_size
        self.prefetched = feed.workers
        self.feed = feed
        self.pool = concurrent.futures.ThreadPoolExecutor(feed.workers)
        # As many batches ahead as threads.
        self.futures = [self._submit(step) for step in range(feed.workers)]
        self.step = feed.workers

    def _submit(self, step):
        return self.pool.submit(self.feed.batch, step)

    def __call__(self):
        self.futures.append(self._submit(self.step))
        self.step += 1
        self.futures.pop(0).result()


class Step:
    """A training step on the same batch each time."""

    def __init__(self, model, side, size):
        self.size = size
        self.prefetched = 0
        self.model = model
        compile_model(model, Recipe(1, size, 0.01, image_size=side), 1)
        rng = np.random.default_rng(0)
        self.x = rng.integers(0, 256, (size, side, side, 3)).astype("uint8")
        classes = model.output_shape[-1]
        self.y = np.eye(classes, dtype="float32")[np.arange(size) % classes]

    def __call__(self):
        self.model.train_on_batch(self.x, self.y)


def make_step(name):
    if name == "mobile":
        model = nasnet_keras.NASNetMobile(
            weights=None, include_preprocessing=True
        )
        return Step(model, 224, 16)
    model = nasnet_keras.NASNetCIFAR(
        weights=None,
        cells_per_stack=1,
        filters=20,
        include_preprocessing=True,
    )
    return Step(model, 32, 128)


def images_per_second(make_batch, seconds):
    """Measures for at least so many seconds, and at least two batches."""
    for _ in range(make_batch.prefetched):
        make_batch()  # Prepared while others were measured.
    number, began = 0, time.perf_counter()
    while number < 2 or time.perf_counter() - began < seconds:
        make_batch()
        number += 1
    return number * make_batch.size / (time.perf_counter() - began)


def report(name, figures):
    low, middle, high = min(figures), statistics.median(figures), max(figures)
    print(f"{name:34}{middle:9.0f}  ({low:.0f} to {high:.0f})", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--seconds", type=float, default=3.0, help="of each repeat"
    )
    parser.add_argument(
        "--steps",
        nargs="*",
        choices=("cifar", "mobile"),
        default=("cifar", "mobile"),
        help="training steps to measure; give no name to measure none",
    )
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        write_photos(pathlib.Path(DATA) / "flowers" / "train", folder)
        timed = {}
        for name, feed in make_feeds(folder).items():
            timed[f"{name}: tf.data"] = TensorFlow(feed)
            timed[f"{name}: threads"] = Threads(feed)
        for name in args.steps:
            timed[f"training step: {name}"] = make_step(name)
        figures = {name: [] for name in timed}
        for make_batch in timed.values():
            make_batch()  # The first call traces and fills caches.
        for _ in range(args.repeats):
            for name, make_batch in timed.items():
                speed = images_per_second(make_batch, args.seconds)
                figures[name].append(speed)
    print(f"{'images per second':34}{'median':>9}")
    for name, values in figures.items():
        report(name, values)


if __name__ == "__main__":
    main()
