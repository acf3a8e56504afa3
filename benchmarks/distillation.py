"""A small student on CIFAR-10 with and without a teacher.

    python benchmarks/distillation.py \
        --data-dir ../shared/data/tensorflow_datasets

The teacher is the network whose weights we ship. It was trained on all of
CIFAR-10's training images, so the student gains from images that it does not
see itself. Prints a table; writes its JSON and its plot to
`benchmarks/results/`.
"""

import os
import tempfile

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import keras
import seeds

import nasnet_keras
from nasnet_keras.evaluate import measure
from nasnet_keras.presets import get_preset
from nasnet_keras.training.data import load_dataset
from nasnet_keras.training.evaluation import evaluation_batches
from nasnet_keras.training.fit import fit
from nasnet_keras.training.network import build_network
from nasnet_keras.training.recipes import Recipe


def train(dataset, args, taught, seed):
    recipe = Recipe(
        epochs=args.epochs,
        batch_size=64,
        learning_rate=0.1,
        nesterov=True,
        warmup_epochs=1,
        clip_norm=5.0,
        weight_decay=3e-4,
        image_size=args.image_size,
    )
    keras.utils.set_random_seed(seed)
    student = build_network(
        get_preset("nasnet_cifar"),
        recipe,
        dataset,
        cells_per_stack=1,
        filters=args.filters,
    )
    teacher = None
    if taught:
        teacher = nasnet_keras.NASNetCIFAR(
            weights="cifar10",
            input_shape=(None, None, 3),
            include_preprocessing=True,
            name="teacher",
        )
    with tempfile.TemporaryDirectory() as folder:
        rows = fit(
            student,
            recipe,
            dataset,
            folder,
            seed=seed,
            teacher=teacher,
            verbose=0,
        )
    batches = evaluation_batches(dataset.test, args.image_size, 250)
    test = 100 * measure(student, batches)["top1"]
    keras.utils.clear_session()
    return {
        "test": test,
        "curve": [100 * row["val_accuracy"] for row in rows],
    }


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
    settings = {
        name: lambda seed, taught=taught: train(dataset, args, taught, seed)
        for name, taught in (("alone", False), ("with a teacher", True))
    }
    results = seeds.run(settings, args)
    seeds.print_table(results, {"test": "test accuracy, %"})
    picture = args.output.with_suffix(".png")
    seeds.plot(results, picture, "validation accuracy, %")


if __name__ == "__main__":
    main()
