"""The shipped network in lower precision: size, predictions, speed.

    python benchmarks/speed/precision.py --data-dir DATA

Exports NASNet-A with the weights for CIFAR-10 that are shipped, fused, in every
precision of every format; 200 training images calibrate int8. Each file is run
in its own runtime on the 10,000 test images. Prints megabytes and their ratio
to single precision, the part of the predictions that are the same, accuracies
and milliseconds an image (batches of 8, precisions in turn); writes
`benchmarks/results/precision.json`.
"""

import argparse
import os
import pathlib
import statistics
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

from nasnet_keras.deploy import export
from nasnet_keras.deploy.exporting.formats import FORMATS
from nasnet_keras.deploy.exporting.runtimes import can_run, open_file
from nasnet_keras.inference.predict import load_network
from nasnet_keras.presets import get_preset
from nasnet_keras.runs.files import write_json
from nasnet_keras.runs.provenance import provenance
from nasnet_keras.training.data import load_dataset

OUTPUT = pathlib.Path(__file__).parents[1] / "results" / "precision.json"
CALIBRATION, BATCH, TIMED = 200, 8, 40
HEAD = ("MB", "ratio", "same", "accuracy", "ms an image")


def scores(run, images, batch=100):
    """The outputs of an exported file for all images."""
    parts = [
        run(images[first : first + batch])[0]
        for first in range(0, len(images), batch)
    ]
    return np.concatenate(parts)


def milliseconds(runs, images):
    """Name -> median milliseconds of an image; the files take turns."""
    seconds = {name: [] for name in runs}
    for number in range(TIMED + 2):
        for name, run in runs.items():
            began = time.perf_counter()
            run(images[:BATCH])
            if number >= 2:
                seconds[name].append(time.perf_counter() - began)
    return {
        name: 1000 * statistics.median(found) / BATCH
        for name, found in seconds.items()
    }


def measure(model, format, calibration, images, labels, folder):
    """Returns precision -> its row."""
    rows, runs, first = {}, {}, None
    for precision in FORMATS[format].precisions:
        path = folder / precision / f"model{FORMATS[format].suffix}"
        report = export(
            *(model, path, format, precision), calibration=calibration
        )
        runs[precision] = open_file(path, format)
        predicted = scores(runs[precision], images).argmax(1)
        first = predicted if first is None else first
        rows[precision] = {
            "MB": report["bytes"] / 1e6,
            "same": float((predicted == first).mean()),
            "accuracy": float((predicted == labels).mean()),
        }
    whole = rows["float32"]["MB"]
    for precision, taken in milliseconds(runs, images).items():
        rows[precision] |= {
            "ratio": rows[precision]["MB"] / whole,
            "ms an image": taken,
        }
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--output", type=pathlib.Path, default=OUTPUT)
    args = parser.parse_args()
    model = load_network(get_preset("nasnet_cifar"), "cifar10")
    dataset = load_dataset("cifar10", data_dir=args.data_dir)
    calibration = dataset.train[0][:CALIBRATION].astype("float32")
    images = dataset.test[0][: args.images].astype("float32")
    labels = dataset.test[1][: args.images]
    found = {}
    print(f"| | {' | '.join(HEAD)} |")
    print("|---" * (len(HEAD) + 1) + "|")
    with tempfile.TemporaryDirectory() as folder:
        for format in filter(can_run, FORMATS):
            place = pathlib.Path(folder, format)
            place.mkdir()
            data = calibration, images, labels, place
            found[format] = measure(model, format, *data)
            for precision, row in found[format].items():
                cells = [f"{row[key]:.4g}" for key in HEAD]
                line = f"{format}, {precision} | {' | '.join(cells)}"
                print(f"| {line} |", flush=True)
    content = {
        "images": len(images),
        "formats": found,
        "produced_by": provenance("onnxruntime", "openvino", "nncf"),
    }
    write_json(args.output, content)


if __name__ == "__main__":
    main()
