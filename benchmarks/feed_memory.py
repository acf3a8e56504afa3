"""Memory that images and input pipelines hold, beside the images' own bytes.

    python benchmarks/feed_memory.py [--images 2000] [--side 224]

Loads a folder of JPEG files into memory and takes 30 batches of each pipeline,
every time in a new process. Prints the peak of the resident memory, less what
the process had after its imports and a small warm-up, as a multiple of the
bytes of the decoded images. Linux only.

Images are the flowers of the test data.
"""

import argparse
import itertools
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from nasnet_keras.training.data import load_dataset
from nasnet_keras.training.feeds.make import make_feed
from nasnet_keras.training.recipes import Recipe

ROOT = pathlib.Path(__file__).resolve().parents[1]
DATA = os.environ.get("NASNET_TEST_DATA", ROOT.parent / "shared" / "data")
STEPS = 30
RECIPES = {
    "CIFAR": {"augmentation": "cifar"},
    "none": {"augmentation": "none"},
    "CIFAR, upsampled": {"augmentation": "cifar", "upsample": True},
    "CIFAR, growing sizes": {"growing": True},
}
PIPELINES = ("tf.data", "threads")


def peak():
    """The highest resident memory since the last `reset`, in bytes."""
    status = pathlib.Path("/proc/self/status").read_text()
    (line,) = [x for x in status.splitlines() if x.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


def reset():
    pathlib.Path("/proc/self/clear_refs").write_text("5")


def take(feed, pipeline, steps):
    if pipeline == "threads":
        for step in range(steps):
            feed.batch(step)
    else:
        for _ in itertools.islice(iter(feed.tf_dataset()), steps):
            pass


def run(folder, side, name, pipeline):
    """Prints the bytes of the images, the peak of loading and of batches."""
    settings = dict(RECIPES[name])
    growing = {"growing_sizes": ((1, side // 2),)}
    settings = growing if settings.pop("growing", False) else settings

    def feed(images, side):
        dataset = load_dataset(images, image_size=side, in_memory=True)
        recipe = Recipe(5, 16, 0.1, image_size=side, **settings)
        return make_feed(dataset, recipe, seed=0), dataset

    take(feed("digits", side // 4 * 4 // 7)[0], pipeline, 2)
    reset()
    before = peak()
    large, dataset = feed(str(folder), side)
    parts = dataset.train, dataset.validation, dataset.test
    size = sum(images.nbytes for images, _ in parts)
    loading = peak() - before
    take(large, pipeline, STEPS)
    print(size, loading, peak() - before)


def write_photos(folder, number):
    sources = sorted((pathlib.Path(DATA) / "flowers" / "train").glob("*/*.jpg"))
    for i in range(number):
        source = sources[i % len(sources)]
        (folder / source.parent.name).mkdir(exist_ok=True)
        shutil.copy(source, folder / source.parent.name / f"{i}.jpg")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--run", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.run:
        run(args.run[0], args.side, *args.run[1:])
        return
    print("| augmentation | pipeline | images | loaded | 30 batches |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        write_photos(pathlib.Path(folder), args.images)
        for name, pipeline in itertools.product(RECIPES, PIPELINES):
            words = [sys.executable, __file__, "--side", str(args.side)]
            done = subprocess.run(
                [*words, "--run", folder, name, pipeline],
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            )
            size, *peaks = map(int, done.stdout.split())
            times = " | ".join(f"{x / size:.2f} x" for x in peaks)
            print(
                f"| {name} | {pipeline} | {size / 1e6:.0f} MB | {times} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
