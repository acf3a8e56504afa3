"""Children an hour, trained from scratch: this version beside an earlier one.

    pip install --no-deps --target BEFORE CHECKOUT_OF_AN_EARLIER_VERSION
    python benchmarks/children.py [--before BEFORE] [--children 6] [--repeats 3]

Cells of the paper's space on digits (8 pixels, 3 epochs), and of NASNet-A's
wiring on 16 pixels (125 steps' worth of images in one epoch), at equal filters,
in a worker process as in `nasnet search`; one child at a time, and two searches
beside each other. Versions and settings take turns. Prints medians of wall and
processor seconds a child, children an hour, and the largest difference of
accuracy between the versions; writes `benchmarks/results/children.json`.
"""

import argparse
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

RESULTS = pathlib.Path(__file__).parent / "results"
SETTINGS = ("digits", "16 pixels")


def make_dataset(setting):
    """Returns the space, recipe and images of a setting."""
    import numpy as np

    from nasnet_keras.search import ChildRecipe, NASNetSpace, find_space
    from nasnet_keras.training.data import load_dataset
    from nasnet_keras.training.data.dataset import Dataset

    if setting == "digits":
        space, recipe = NASNetSpace(), ChildRecipe(epochs=3, filters=8)
        dataset = load_dataset("digits", image_size=8, validation_split=0.2)
        return space, recipe, dataset
    space = find_space("nasnet_a_wired", 3)
    recipe = ChildRecipe(epochs=1, filters=10)
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, 10_000)
    # Classes differ by their grey: something that can be learnt.
    images = rng.integers(0, 156, (10_000, 16, 16, 3), dtype="uint8")
    images += (10 * labels[:, None, None, None]).astype("uint8")
    parts = [
        (images[first:last], labels[first:last])
        for first, last in ((0, 8000), (8000, 9990), (9990, 10_000))
    ]
    return space, recipe, Dataset("greys", tuple("abcdefghij"), *parts)


def serve(setting, children):
    """Trains children; prints a JSON line: accuracies, seconds, processor's."""
    import numpy as np

    from nasnet_keras.search import Isolated, TrainFromScratch

    space, recipe, dataset = make_dataset(setting)
    evaluator = Isolated(TrainFromScratch(dataset, recipe))
    began, accuracies = time.monotonic(), []
    for number in range(children):
        point = space.sample(np.random.default_rng(number))
        found = evaluator(space.to_genotype(point))
        accuracies.append(found.measurements["val_accuracy"])
    seconds = time.monotonic() - began
    evaluator.close()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        json.dumps(
            {
                "accuracies": accuracies,
                "seconds": seconds / children,
                "processor": (used.ru_utime + used.ru_stime) / children,
            }
        )
    )


def start(before, setting, children):
    """Starts a process that serves; with an installation, of that version."""
    environment = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": "1"}
    if before is not None:
        environment["PYTHONPATH"] = str(before)
    words = [__file__, "--serve", setting, "--children", str(children)]
    return subprocess.Popen(
        [sys.executable, *words],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        # Not the folder of a checkout: its packages would be imported.
        cwd=tempfile.gettempdir(),
    )


def measure(before, setting, processes, children):
    """Returns what each of some simultaneous processes printed."""
    started = [start(before, setting, children) for _ in range(processes)]
    return [json.loads(p.communicate()[0].splitlines()[-1]) for p in started]


def table(found, versions):
    """Returns the medians as Markdown."""
    lines = [
        "| children | at a time | version | s a child | processor s a child | "
        "children an hour |",
        "|---|---|---|---|---|---|",
    ]
    for setting in SETTINGS:
        for processes in (1, 2):
            for version in versions:
                rows = found[setting][str(processes)][version]
                seconds, processor = (
                    statistics.median(row[key] for row in rows)
                    for key in ("seconds", "processor")
                )
                lines.append(
                    f"| {setting} | {processes} | {version} | {seconds:.1f} | "
                    f"{processor:.1f} | {3600 * processes / seconds:.0f} |"
                )
    return "\n".join(lines)


def largest_difference(found, versions):
    """Of the accuracy of the same child in two versions."""
    return max(
        abs(one - other)
        for setting in SETTINGS
        for one, other in zip(
            *(found[setting]["1"][v][0]["accuracies"] for v in versions)
        )
    )


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--before", type=pathlib.Path)
    parser.add_argument("--children", type=int, default=6)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--serve", choices=SETTINGS)
    return parser.parse_args()


def main():
    args = parse()
    if args.serve:
        serve(args.serve, args.children)
        return
    versions = {"before": args.before.resolve()} if args.before else {}
    versions["now"] = None
    found = {
        setting: {str(n): {v: [] for v in versions} for n in (1, 2)}
        for setting in SETTINGS
    }
    for _ in range(args.repeats):
        for setting in SETTINGS:
            for processes in (1, 2):
                for version, before in versions.items():
                    rows = measure(before, setting, processes, args.children)
                    found[setting][str(processes)][version] += rows
                    print(setting, processes, version, rows, flush=True)
    print("\n" + table(found, versions))
    if len(versions) > 1:
        difference = largest_difference(found, versions)
        print(f"\nLargest difference of an accuracy: {difference:.3f}")
    from nasnet_keras.runs.files import write_json
    from nasnet_keras.runs.provenance import provenance

    write_json(
        RESULTS / "children.json",
        {"found": found, "produced_by": provenance("keras-tuner")},
    )


if __name__ == "__main__":
    main()
