"""Does the best cell hold? Larger networks, trained for longer; resumable.

    python benchmarks/longer.py --data-dir DATA --pairs 6

The best searched cell of the pairs of `funnel.py`, which must have been run,
the best random one and NASNet-A: at 32x32 with two cells per stack, augmented
images, equal parameters, 3 seeds. Which cells are the best follows from the
rewards of the last stages, not from test images. On a GPU, with a file of
`nasnet convert-data cifar10`, 45,000 images and 15 epochs:

    KERAS_BACKEND=jax python benchmarks/longer.py --data cifar10.npz \\
        --pairs 6 --long-images 0 --steps 5270 --batch-size 128 --processes 9

Prints how far each training is, and at the end the test accuracies. Writes
`benchmarks/results/longer.json`; each training that ended is kept in
`benchmarks/results/funnel/longer.json`.
"""

import dataclasses
import json
import statistics
import time

from small_cifar10 import LABELS, ORACLES, Pool, Setting, make_parser, save

SIDE = 32  # Pixels.
SEED = 9000
REPORT_SECONDS = 30


def train(setting, cell, label, seed):
    """Trains a network; returns its test accuracy."""
    args = setting.args
    if not hasattr(setting, "longer"):
        setting.longer = setting.load(SIDE, args.long_images, 0.1)
    recipe = dataclasses.replace(
        setting.recipe,
        cells_per_stack=2,
        parameters=args.long_parameters,
        steps=args.steps,
        batch_size=args.batch_size,
        augmentation="cifar",
    )
    pace = make_pace(f"{label}, seed {seed}")
    return setting.train(cell, recipe, setting.longer, seed, [pace])


def make_pace(title):
    """Returns a Keras callback that prints how far a training is."""
    import keras

    class Pace(keras.callbacks.Callback):
        steps, began, reported = 0, time.monotonic(), 0.0

        def on_train_batch_end(self, batch, logs=None):
            self.steps += 1
            passed = time.monotonic() - self.began
            if self.steps == 1 or passed - self.reported > REPORT_SECONDS:
                self.reported = passed
                print(f"{title}: step {self.steps}, {passed:.0f} s", flush=True)

    return Pace()


def best_cells(args):
    """Returns label -> the cell with the highest reward of a last stage."""
    from nasnet_keras import NASNET_A

    setting, cells = Setting(args), {}
    for label in ORACLES:
        found = [setting.opened(pair, label) for pair in range(args.pairs)]
        best = max(found, key=lambda results: results.best()[0]["score"])
        cells[label] = best.genotypes()[0].to_dict()
    return {**cells, "nasnet_a": NASNET_A.to_dict()}


def main():
    args = make_parser(
        __doc__,
        long_images=10000,
        long_parameters=370000,
        steps=1875,
        batch_size=64,
    ).parse_args()
    cells = best_cells(args)
    # What a training depends on is its key: of other pairs, other cells.
    recipe = [args.long_images, args.long_parameters, args.steps]
    recipe.append(args.batch_size)
    tasks = {
        json.dumps([cells[label], recipe, seed]): (
            train,
            cells[label],
            label,
            seed,
        )
        for seed in range(SEED, SEED + args.seeds)
        for label in LABELS
    }
    with Pool(args) as pool:
        results = pool.run(tasks, args.directory / "longer.json")
    by_label = {}
    for label in LABELS:
        rows = [results[key] for key, task in tasks.items() if task[2] == label]
        tests = [row["test"] for row in rows]
        by_label[label] = {"cell": cells[label], "results": rows}
        print(
            f"{label}: {statistics.mean(tests):.2f} "
            f"({', '.join(f'{test:.2f}' for test in tests)}), "
            f"{rows[0]['parameters']:,} parameters, "
            f"{rows[0]['filters']} filters"
        )
    save(args, "longer.json", {"results": by_label})


if __name__ == "__main__":
    main()
