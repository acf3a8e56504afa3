"""Children per hour: weights shared by all, or a network for each.

    python benchmarks/shared_weights.py --data-dir DATA

The same space, network and images of CIFAR-10. Shared: the search and the
training between rounds, without the one compilation. Alone: each child is
built, compiled and trained for one epoch. Also prints resident memory during
the shared search; writes its JSON to `benchmarks/results/`.
"""

import argparse
import dataclasses
import pathlib
import time

import numpy as np
import training  # Before Keras: it sets how TensorFlow computes.

from nasnet_keras.runs.files import write_json
from nasnet_keras.runs.provenance import provenance
from nasnet_keras.search import (
    Rounds,
    SharedWeights,
    TrainFromScratch,
    find_space,
)
from nasnet_keras.search.evaluators.shared.evaluator import SHARED_RECIPE
from nasnet_keras.training.data import load_dataset

OUTPUT = training.RESULTS / "shared_weights.json"


def resident():
    """Returns this process's resident memory in MB."""
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def shared(evaluator, space, children):
    """Returns the seconds of the first child and of the others, and memory."""
    began = time.time()
    evaluator(space.to_genotype(space.sample(np.random.default_rng(0))))
    first = time.time() - began
    memory, began = [resident()], time.time()
    for number in range(1, children + 1):
        evaluator(
            space.to_genotype(space.sample(np.random.default_rng(number)))
        )
        if number % (children // 10) == 0:
            memory.append(resident())
    return first, time.time() - began, memory


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data-dir")
    parser.add_argument("--space", default="nasnet_a_wired")
    parser.add_argument("--blocks", type=int, default=3)
    parser.add_argument("--image-size", type=int, default=16)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--filters", type=int, default=8)
    parser.add_argument("--children", type=int, default=1000)
    parser.add_argument("--alone", type=int, default=5)
    parser.add_argument("--output", type=pathlib.Path, default=OUTPUT)
    return parser.parse_args()


def main():
    args = parse()
    dataset = load_dataset(
        "cifar10",
        data_dir=args.data_dir,
        image_size=args.image_size,
        validation_split=0.2,
        images=args.images,
    )
    space = find_space(args.space, args.blocks)
    recipe = dataclasses.replace(SHARED_RECIPE, filters=args.filters, epochs=1)
    evaluator = SharedWeights(space, dataset, recipe, Rounds())
    first, rest, memory = shared(evaluator, space, args.children)
    alone = TrainFromScratch(dataset, recipe)
    began = time.time()
    for number in range(args.alone):
        alone(space.to_genotype(space.sample(np.random.default_rng(number))))
    each = (time.time() - began) / args.alone
    rates = {"shared": 3600 * args.children / rest, "alone": 3600 / each}
    ratio = rates["shared"] / rates["alone"]
    print(f"shared: first child after {first:.0f} s (compiled, warmed up)")
    print(f"shared: {rates['shared']:,.0f} children an hour after it")
    print(f"alone:  {rates['alone']:,.0f} children an hour")
    print(f"ratio:  {ratio:.1f}")
    print(f"memory, MB: {', '.join(f'{m:.0f}' for m in memory)}")
    arguments = {k: str(v) for k, v in vars(args).items()}
    del arguments["data_dir"], arguments["output"]
    result = {
        "arguments": arguments,
        "first_seconds": first,
        "children_per_hour": rates,
        "ratio": ratio,
        "memory_mb": memory,
        "produced_by": provenance(),
    }
    write_json(args.output, result)


if __name__ == "__main__":
    main()
