"""Does ScheduledDropPath work here? None, constant, scheduled, adaptive.

    python benchmarks/drop_path.py --data-dir ../shared/data/tensorflow_datasets

The same small network on a part of CIFAR-10, long enough to overfit it: per
setting and seed the accuracy on images that it was not trained on. Prints a
table; writes its JSON and its plot to `benchmarks/results/`.
"""

import os
import tempfile

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import keras
import seeds

from nasnet_keras.evaluate import measure
from nasnet_keras.presets import get_preset
from nasnet_keras.training.data import load_dataset
from nasnet_keras.training.evaluation import evaluation_batches
from nasnet_keras.training.fit import fit
from nasnet_keras.training.network import build_network
from nasnet_keras.training.recipes import Recipe

SETTINGS = {
    "none": None,
    "constant": "constant",
    "scheduled": "linear",
    "adaptive": "adaptive",
}


def make_recipe(args, schedule):
    return Recipe(
        epochs=args.epochs,
        batch_size=64,
        learning_rate=0.1,
        nesterov=True,
        warmup_epochs=1,
        clip_norm=5.0,
        weight_decay=3e-4,
        image_size=args.image_size,
        drop_path_rate=args.rate if schedule else 0.0,
        drop_path_schedule=schedule or "linear",
    )


def train(dataset, recipe, args, seed):
    keras.utils.set_random_seed(seed)
    model = build_network(
        get_preset("nasnet_cifar"),
        recipe,
        dataset,
        cells_per_stack=1,
        filters=args.filters,
    )
    with tempfile.TemporaryDirectory() as folder:
        rows = fit(model, recipe, dataset, folder, seed=seed, verbose=0)
    batches = evaluation_batches(dataset.test, recipe.image_size, 250)
    test = 100 * measure(model, batches)["top1"]
    keras.utils.clear_session()
    return {
        "test": test,
        "training": 100 * rows[-1]["accuracy"],
        "curve": [100 * row["val_accuracy"] for row in rows],
    }


def main():
    args = seeds.parse(
        __doc__,
        "drop_path",
        data_dir="",
        images=5000,
        epochs=24,
        filters=8,
        image_size=16,
        rate=0.3,
    )
    dataset = load_dataset(
        "cifar10",
        data_dir=args.data_dir or None,
        image_size=args.image_size,
        validation_split=0.2,
        images=args.images,
    )
    settings = {
        name: lambda seed, schedule=schedule: train(
            dataset, make_recipe(args, schedule), args, seed
        )
        for name, schedule in SETTINGS.items()
    }
    results = seeds.run(settings, args)
    measures = {"test": "test accuracy, %", "training": "training accuracy, %"}
    seeds.print_table(results, measures)
    picture = args.output.with_suffix(".png")
    seeds.plot(results, picture, "validation accuracy, %")


if __name__ == "__main__":
    main()
