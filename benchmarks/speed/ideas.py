"""What each idea of `deploy.fuse` gains, in each runtime.

    python benchmarks/speed/ideas.py
    python benchmarks/speed/ideas.py --runtimes openvino --rounds 50

Fuses NASNet Mobile with all that `fuse` does, without each part of it, and with
ideas that it does not use; writes a file of each for a runtime, then runs all
of them in turn. Prints the median over the rounds of the time without an idea
by the time with it: above 1 it pays. Writes `benchmarks/results/ideas.json` and
`ideas.md`; a runtime that is measured again replaces what was known of it.
"""

import argparse
import json
import os
import pathlib
import statistics
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ["KERAS_BACKEND"] = "tensorflow"

import numpy as np
from keras import layers
from machine import origin
from subjects import OURS, RUNTIMES, SIDES, Subject, build

from nasnet_keras.deploy.exporting.formats import FORMATS
from nasnet_keras.deploy.exporting.runtimes import open_file
from nasnet_keras.deploy.exporting.write import write_file
from nasnet_keras.deploy.fusing.fuse import PASSES
from nasnet_keras.deploy.fusing.graph import Node, Place, rewrite
from nasnet_keras.deploy.fusing.read import read_graph
from nasnet_keras.deploy.fusing.widen import widen
from nasnet_keras.deploy.fusing.write import write_model
from nasnet_keras.layers.image_axes import channel_axis
from nasnet_keras.layers.pooling import Pooling
from nasnet_keras.layers.variables import shared_names
from nasnet_keras.runs.files import write_json

RESULTS = pathlib.Path(__file__).parents[1] / "results"
BATCHES = (1, 8)
KERAS = "keras"
WARM = 3  # Rounds that are not counted.
ALL = "all"


def pad_and_crop(graph):
    """The shifted pixels of a reduction by padding and cropping images."""

    def rule(node, uses):
        if node.kind != "depthwise" or not node.name.endswith("shifted"):
            return node
        made = node.inputs[0]
        for layer in (
            layers.ZeroPadding2D(((0, 1), (0, 1))),
            layers.Cropping2D(((1, 0), (1, 0))),
            Pooling("max", 1, 2),
        ):
            settings = {"operation": layer, "arguments": ((Place(0),), {})}
            made = Node("kept", (made,), node.name, settings, {}, node.policy)
        return made

    return rewrite(graph, rule)


def join_products(graph):
    """The two last pointwise convolutions of a block as one product.

    Gains a sum, and one product of twice the depth in place of two; costs a
    copy of both images side by side.
    """

    def rule(node, uses):
        if node.kind != "add" or len(set(node.inputs)) != 2:
            return node
        if not all(_is_product(x) and uses[x] == 1 for x in node.inputs):
            return node
        left, right = node.inputs
        axis = channel_axis(left.settings["data_format"])
        inputs = (left.inputs[0], right.inputs[0])
        joined = Node("concat", inputs, node.name, {"axis": axis})
        uses[joined] += 1
        kernels = [left.arrays["kernel"], right.arrays["kernel"]]
        bias = left.arrays["bias"] + right.arrays["bias"]
        arrays = {"kernel": np.concatenate(kernels, 2), "bias": bias}
        return left.changed(arrays).with_inputs((joined,))

    return rewrite(graph, rule)


def _is_product(node):
    return (
        node.kind == "conv"
        and node.arrays["kernel"].shape[:2] == (1, 1)
        and node.settings["strides"] == (1, 1)
        and "bias" in node.arrays
    )


def fused(model, multiple, leave_out=None, more=None):
    """The fused model, without a part of `fuse` or with another idea."""
    graph = read_graph(model)
    if more is pad_and_crop:
        graph = pad_and_crop(graph)
    for each in PASSES:
        if each is not leave_out:
            graph = each(graph)
        if each.__name__ == "fold_norms" and more is join_products:
            graph = join_products(graph)
    if multiple > 1 and leave_out is not widen:
        graph = widen(graph, multiple)
    with shared_names():
        return write_model(graph)


def variants(multiple):
    """Name -> arguments of `fused`."""
    found = {ALL: {}}
    used = list(dict.fromkeys(PASSES)) + ([widen] if multiple > 1 else [])
    for each in used:
        found[f"without {each.__name__}"] = {"leave_out": each}
    for more in (pad_and_crop, join_products):
        found[f"with {more.__name__}"] = {"more": more}
    return found


def runner(model, runtime, folder):
    """A function of images that runs a model in a runtime."""
    if runtime == KERAS:
        return model.predict_on_batch
    path = folder / f"model{FORMATS[runtime].suffix}"
    write_file(model, path, runtime, "float32", None)
    return open_file(path, runtime)


def measure(model, runtime, rounds):
    """Variant -> batch -> [milliseconds an image, gain]."""
    multiple = 1 if runtime == KERAS else FORMATS[runtime].multiple
    images = np.random.default_rng(0).uniform(
        -1, 1, (max(BATCHES), SIDES["mobile"], SIDES["mobile"], 3)
    )
    images = images.astype("float32")
    with tempfile.TemporaryDirectory() as folder:
        runs = {}
        for name, arguments in variants(multiple).items():
            place = pathlib.Path(folder, name.replace(" ", "_"))
            place.mkdir()
            runs[name] = runner(
                fused(model, multiple, **arguments), runtime, place
            )
        print(f"{runtime}: all files are there; timed from here", flush=True)
        return {
            batch: in_turn(runs, images[:batch], rounds) for batch in BATCHES
        }


def in_turn(runs, images, rounds):
    """Variant -> milliseconds an image and gain, of runs in turn."""
    seconds = {name: [] for name in runs}
    for _ in range(WARM + rounds):
        for name, run in runs.items():
            began = time.perf_counter()
            run(images)
            seconds[name].append(time.perf_counter() - began)
    counted = {name: found[WARM:] for name, found in seconds.items()}
    return {
        name: {
            "ms an image": 1000 * statistics.median(found) / len(images),
            "gain": gain(name, found, counted[ALL]),
        }
        for name, found in counted.items()
    }


def gain(name, found, everything):
    """Time without the idea by the time with it."""
    ratio = statistics.median(a / b for a, b in zip(found, everything))
    return 1 / ratio if name.startswith("with ") else ratio


def table(known):
    """Markdown: a row for each variant, its gain for each runtime."""
    names = dict.fromkeys(
        name
        for section in known.values()
        for found in section["batches"].values()
        for name in found
    )
    columns = [(r, b) for r in known for b in map(str, BATCHES)]
    head = " | ".join(f"{r}, batch {b}" for r, b in columns)
    lines = [f"| | {head} |", "|---" * (len(columns) + 1) + "|"]
    for name in names:
        cells = []
        for runtime, batch in columns:
            found = known[runtime]["batches"][batch].get(name)
            if name == ALL and found:
                cells.append(f"{found['ms an image']:.1f} ms")
            else:
                cells.append(f"{found['gain']:.2f}" if found else "")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runtimes", nargs="*", default=[KERAS, *RUNTIMES])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument(
        "--output", type=pathlib.Path, default=RESULTS / "ideas.json"
    )
    args = parser.parse_args()
    known = {}
    if args.output.is_file():
        known = json.loads(args.output.read_text())["runtimes"]
    model = build(Subject(OURS, "mobile"))
    for runtime in args.runtimes:
        found = measure(model, runtime, args.rounds)
        known[runtime] = {
            "batches": {str(batch): rows for batch, rows in found.items()},
            "rounds": args.rounds,
            **origin("tensorflow", "openvino", "onnxruntime", "ai-edge-litert"),
        }
        write_json(args.output, {"runtimes": known})
        args.output.with_suffix(".md").write_text(table(known) + "\n")
        print(table(known), flush=True)


if __name__ == "__main__":
    main()
