"""Where the time of a network goes: by cell, and by operation.

    python benchmarks/speed/operations.py                # Mobile, batches of 8
    python benchmarks/speed/operations.py --network large --batch 1

Runs each operation of each cell alone, compiled by TensorFlow, on random
images of the size that it meets: forward as in inference, and as a training
step (forward and backward, with the gradients of images and weights). Beside
it the least time that the machine could take (see `machine.py`), where inputs
are read and outputs written once; three times that for training. Prints sums
over operations and over cells; writes `benchmarks/results/operations.json` and
`operations.md`, of another network `operations_large` and so on.
"""

import argparse
import collections
import math
import os
import pathlib
import statistics
import time
from typing import NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # See run.py.
os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import tensorflow as tf
from machine import least, origin
from subjects import OURS, SIDES, Subject, build

from nasnet_keras.cells.cell import NormalCell, ReductionCell
from nasnet_keras.layers.costs import totals
from nasnet_keras.runs.files import write_json

RESULTS = pathlib.Path(__file__).parents[1] / "results"
REPEATS = 7
HEAD = ("number", "M multiply-adds", "ms", "limit", "ms trained", "limit")


class Part(NamedTuple):
    """An operation that is run alone."""

    cell: str
    operation: str
    model: keras.Model

    @property
    def shapes(self):
        tensors = [*self.model.inputs, *self.model.outputs]
        return tuple(tuple(x.shape[1:]) for x in tensors)


def parts(network):
    """The operations of a network, in order."""
    for layer in network.layers:
        if isinstance(layer, (NormalCell, ReductionCell)):
            yield from _parts_of_cell(layer)
        elif not isinstance(layer, keras.layers.InputLayer):
            alone = _alone(layer, [layer.input])
            yield Part("stem and head", type(layer).__name__, alone)


def _parts_of_cell(cell):
    names = {id(fit): "adjust an input" for fit in (*cell.fits, *cell.outs)}
    for block, paths in zip(cell.cell.blocks, cell.paths):
        names |= dict(zip(map(id, paths), block.operations))
    found = []

    def apply(operation, *args):
        if getattr(operation, "layers", True):  # An empty chain does nothing.
            name = names.get(id(operation), "add, concatenate")
            alone = _alone(operation, args)
            found.append(Part(cell.name, name, alone))
        return operation(*args)

    cell.connect(cell.input, apply)
    return found


def _alone(operation, args):
    """A model of one operation, with inputs like those of `args`."""
    inputs = []

    def new(value):
        if not isinstance(value, keras.KerasTensor):
            return value
        inputs.append(keras.Input(value.shape[1:]))
        return inputs[-1]

    output = operation(*keras.tree.map_structure(new, tuple(args)))
    return keras.Model(inputs, output)


def milliseconds(model, batch):
    """Median milliseconds of inference and of a training step."""
    random = np.random.default_rng(0)

    def images(tensor):
        shape = (batch, *tensor.shape[1:])
        return tf.constant(random.normal(size=shape).astype("float32"))

    inputs = [images(tensor) for tensor in model.inputs]
    gradient = images(model.outputs[0])

    @tf.function
    def infer():
        return model(inputs, training=False)

    @tf.function
    def train():
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            output = model(inputs, training=True)
        wanted = [*inputs, *model.trainable_variables]
        # The output, too: some gradients do not need it.
        return output, tape.gradient(output, wanted, gradient)

    return _median(infer), _median(train)


def _median(function):
    for _ in range(2):
        function()
    seconds = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - began)
    return 1000 * statistics.median(seconds)


def limit_of(model, macs, batch, machine):
    """The milliseconds that the machine's own limits allow."""
    numbers = sum(
        math.prod(x.shape[1:]) for x in [*model.inputs, *model.outputs]
    )
    return least(batch * macs, batch * numbers, machine)


def measure(network, batch, machine):
    """A row for each operation of the network."""
    known, rows = {}, []
    for part in parts(network):
        key = part.operation, part.shapes
        if key not in known:
            macs = totals(part.model)[1] if len(part.model.inputs) == 1 else 0
            infer, train = milliseconds(part.model, batch)
            limit = limit_of(part.model, macs, batch, machine)
            known[key] = 1, macs / 1e6, infer, limit, train, 3 * limit
        rows.append((part.cell, part.operation, *known[key]))
    return rows


def table(title, rows, column):
    """Markdown: sums over the rows that share what is in a column."""
    sums = collections.defaultdict(lambda: [0.0] * len(HEAD))
    for row in rows:
        for key in (row[column], "all"):
            sums[key] = [a + b for a, b in zip(sums[key], row[2:])]
    sums["all"] = sums.pop("all")
    lines = [f"| {title} | {' | '.join(HEAD)} |", "|---" * 7 + "|"]
    for key, (number, macs, *times) in sums.items():
        cells = " | ".join(f"{x:.2f}" for x in times)
        lines.append(f"| {key} | {number:.0f} | {macs:.0f} | {cells} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--network", default="mobile", choices=tuple(SIDES))
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--output", type=pathlib.Path)
    args = parser.parse_args()
    if args.output is None:
        other = f"_{args.network}" if args.network != "mobile" else ""
        args.output = RESULTS / f"operations{other}.json"
    made = origin("tensorflow")
    network = build(Subject(OURS, args.network))
    rows = measure(network, args.batch, made["machine"])
    by_operation, by_cell = table("operation", rows, 1), table("cell", rows, 0)
    print(by_operation, by_cell, sep="\n\n", flush=True)
    title = f"{args.network}, batches of {args.batch}"
    text = f"### {title}\n\n{by_operation}\n\n{by_cell}\n"
    args.output.with_suffix(".md").write_text(text)
    content = {
        "network": args.network,
        "batch": args.batch,
        "columns": ["cell", "operation", *HEAD],
        "rows": rows,
        **made,
    }
    write_json(args.output, content)


if __name__ == "__main__":
    main()
