"""What the weights that we ship are worth on other images: flowers.

    python benchmarks/transfer.py --data ../shared/data/flowers

The same network with the same budget, once from the weights trained on
CIFAR-10 and once from scratch. Prints a table; writes its JSON and its plot to
`benchmarks/results/`.
"""

import os
import tempfile

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import keras
import seeds

from nasnet_keras.evaluate import measure
from nasnet_keras.presets import PRESETS, get_preset
from nasnet_keras.training.data import load_dataset
from nasnet_keras.training.evaluation import evaluation_batches
from nasnet_keras.training.fit import fit
from nasnet_keras.training.network import build_network
from nasnet_keras.training.recipes import Recipe

PRESET = "nasnet_cifar"
# For each start the better of the learning rates 0.02 and 0.1.
RATES = {"from CIFAR-10": 0.02, "from scratch": 0.1}


def train(dataset, args, start, seed):
    recipe = Recipe(
        epochs=args.epochs,
        batch_size=32,
        learning_rate=RATES[start],
        nesterov=True,
        warmup_epochs=1,
        clip_norm=5.0,
        weight_decay=3e-4,
        label_smoothing=0.1,
        image_size=args.image_size,
    )
    keras.utils.set_random_seed(seed)
    model = build_network(
        get_preset(PRESET),
        recipe,
        dataset,
        weights="cifar10" if start == "from CIFAR-10" else None,
        **PRESETS[PRESET].weights["cifar10"].configuration,
    )
    with tempfile.TemporaryDirectory() as folder:
        rows = fit(model, recipe, dataset, folder, seed=seed, verbose=0)
    batches = evaluation_batches(dataset.test, args.image_size, 100)
    test = 100 * measure(model, batches)["top1"]
    keras.utils.clear_session()
    return {
        "test": test,
        "curve": [100 * row["val_accuracy"] for row in rows],
    }


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
        start: lambda seed, start=start: train(dataset, args, start, seed)
        for start in RATES
    }
    results = seeds.run(settings, args)
    seeds.print_table(results, {"test": "test accuracy, %"})
    picture = args.output.with_suffix(".png")
    seeds.plot(results, picture, "validation accuracy, %")


if __name__ == "__main__":
    main()
