"""Compares drop path: none, constant, scheduled, adaptive.

    python benchmarks/drop_path.py --data-dir ../shared/data/tensorflow_datasets

Trains the same small network on a part of CIFAR-10 long enough to overfit, and
measures the test accuracy of each setting and seed. Prints a table; writes
its JSON and its plot to `benchmarks/results/`.
"""

import dataclasses
import functools

import seeds
import training

from nasnet_keras.presets import get_preset
from nasnet_keras.training.data import load_dataset
from nasnet_keras.training.network import build_for_recipe

SCHEDULES = {
    "constant": "constant",
    "scheduled": "linear",
    "adaptive": "adaptive",
}


def train(dataset, recipe, filters, seed):
    def build():
        preset = get_preset("nasnet_cifar")
        size = {"cells_per_stack": 1, "filters": filters}
        return build_for_recipe(preset, recipe, dataset, **size)

    return training.train_and_test(build, recipe, dataset, seed)


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
    none = training.plain_recipe(epochs=args.epochs, image_size=args.image_size)
    recipes = {"none": none}
    for name, schedule in SCHEDULES.items():
        recipes[name] = dataclasses.replace(
            none, drop_path_rate=args.rate, drop_path_schedule=schedule
        )
    settings = {
        name: functools.partial(train, dataset, recipe, args.filters)
        for name, recipe in recipes.items()
    }
    results = seeds.run(settings, args)
    measures = {"test": "test accuracy, %", "training": "training accuracy, %"}
    seeds.print_table(results, measures)
    picture = args.output.with_suffix(".png")
    seeds.plot(results, picture, "validation accuracy, %")


if __name__ == "__main__":
    main()
