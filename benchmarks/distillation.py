"""A small student on CIFAR-10 with and without a teacher.

    python benchmarks/distillation.py \
        --data-dir ../shared/data/tensorflow_datasets

The teacher has the shipped weights. It was trained on all training images of
CIFAR-10, so the student profits from images that it is not trained on. Prints
a table; writes its JSON and its plot to `benchmarks/results/`.
"""

import functools

import seeds
import training

import nasnet_keras
from nasnet_keras.presets import get_preset
from nasnet_keras.training.data import load_dataset
from nasnet_keras.training.network import build_for_recipe


def train(dataset, recipe, filters, with_teacher, seed):
    def build():
        preset = get_preset("nasnet_cifar")
        size = {"cells_per_stack": 1, "filters": filters}
        return build_for_recipe(preset, recipe, dataset, **size)

    teacher = make_teacher() if with_teacher else None
    return training.train_and_test(build, recipe, dataset, seed, teacher)


def make_teacher():
    return nasnet_keras.NASNetCIFAR(
        weights="cifar10",
        input_shape=(None, None, 3),
        include_preprocessing=True,
        name="teacher",
    )


def main():
    args = seeds.parse(
        __doc__,
        "distillation",
        data_dir="",
        images=5000,
        epochs=12,
        filters=8,
        image_size=24,
    )
    dataset = load_dataset(
        "cifar10",
        data_dir=args.data_dir or None,
        image_size=args.image_size,
        validation_split=0.2,
        images=args.images,
    )
    recipe = training.plain_recipe(
        epochs=args.epochs, image_size=args.image_size
    )
    settings = {
        name: functools.partial(
            train, dataset, recipe, args.filters, with_teacher
        )
        for name, with_teacher in (("alone", False), ("with a teacher", True))
    }
    results = seeds.run(settings, args)
    seeds.print_table(results, {"test": "test accuracy, %"})
    picture = args.output.with_suffix(".png")
    seeds.plot(results, picture, "validation accuracy, %")


if __name__ == "__main__":
    main()
