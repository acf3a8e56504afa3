"""Transfer learning from the shipped weights to flowers.

    python benchmarks/transfer.py --data ../shared/data/flowers

The same network with the same number of epochs, from the weights trained on
CIFAR-10 and from scratch. Prints a table; writes its JSON and its plot to
`benchmarks/results/`.
"""

import functools

import seeds
import training

from nasnet_keras.presets import PRESETS, get_preset
from nasnet_keras.training.data import load_dataset
from nasnet_keras.training.network import build_for_recipe

PRESET = "nasnet_cifar"
SHIPPED = "from CIFAR-10"
# The better of 0.02 and 0.1 for each start.
RATES = {SHIPPED: 0.02, "from scratch": 0.1}


def train(dataset, args, start, seed):
    recipe = training.plain_recipe(
        epochs=args.epochs,
        batch_size=32,
        learning_rate=RATES[start],
        image_size=args.image_size,
    )

    def build():
        return build_for_recipe(
            get_preset(PRESET),
            recipe,
            dataset,
            weights="cifar10" if start == SHIPPED else None,
            **PRESETS[PRESET].weights["cifar10"].configuration,
        )

    return training.train_and_test(build, recipe, dataset, seed)


def main():
    args = seeds.parse(
        __doc__,
        "transfer",
        data="../shared/data/flowers",
        epochs=8,
        image_size=48,
    )
    dataset = load_dataset(
        args.data, image_size=args.image_size, validation_split=0.1
    )
    settings = {
        start: functools.partial(train, dataset, args, start) for start in RATES
    }
    results = seeds.run(settings, args)
    seeds.print_table(results, {"test": "test accuracy, %"})
    picture = args.output.with_suffix(".png")
    seeds.plot(results, picture, "validation accuracy, %")


if __name__ == "__main__":
    main()
