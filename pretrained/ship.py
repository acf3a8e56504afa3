"""Turns a finished training into weights that come with the package.

    python pretrained/ship.py RUN --preset nasnet_cifar --name cifar10 \
        --data cifar10 --data-dir FOLDER

RUN is the folder of a `nasnet train`. Writes to `pretrained/shipped/`:
the weights (kernels in half precision), a record of their training and
accuracy, and the curve. The test images are evaluated here, once.
Afterwards `python pretrained/figures.py --write` writes the card.
"""

import argparse
import json
import pathlib
import shutil
import tempfile

import h5py
import numpy as np

import nasnet_keras
from nasnet_keras.inference.evaluate import measure
from nasnet_keras.runs.files import write_json
from nasnet_keras.training.curves import read_history
from nasnet_keras.training.data import load_dataset
from nasnet_keras.training.feeds.evaluation import evaluation_batches

SHIPPED = pathlib.Path(__file__).resolve().parent / "shipped"


def write_half(model, path):
    """Writes a model's weights, kernels in half precision.

    Statistics, scales and biases keep single precision: there are few, and
    a variance may be out of range in half precision.
    """
    with tempfile.TemporaryDirectory() as folder:
        single = pathlib.Path(folder) / "single.weights.h5"
        model.save_weights(single)
        with (
            h5py.File(single) as source,
            h5py.File(path, "w", libver="latest") as target,
        ):
            source.visititems(lambda name, item: _copy(name, item, target))


def _copy(name, item, target):
    if isinstance(item, h5py.Dataset):
        value = item[()]
        if value.ndim > 1:
            value = value.astype("float16")
        target.create_dataset(name, data=value)
    else:
        target.require_group(name).attrs.update(item.attrs)


def agreement(model, shipped, images):
    """Compares predictions.

    Returns:
        The largest difference of a probability, and the fraction of images
        with the same class.
    """
    first, second = (m.predict(images, verbose=0) for m in (model, shipped))
    same = first.argmax(axis=1) == second.argmax(axis=1)
    return float(np.abs(first - second).max()), float(same.mean())


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", type=pathlib.Path)
    parser.add_argument("--preset", required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--data-dir")
    args = parser.parse_args()
    stem = f"{args.preset}_{args.name}"
    path = SHIPPED / f"{stem}.weights.h5"
    model = nasnet_keras.load_model(args.run / "model.keras")
    write_half(model, path)

    run = json.loads((args.run / "run.json").read_text())
    side = run["configuration"]["recipe"]["image_size"]
    dataset = load_dataset(args.data, data_dir=args.data_dir, image_size=side)
    shipped = nasnet_keras.from_preset(
        args.preset, weights=args.name, include_preprocessing=True
    )
    difference, same = agreement(model, shipped, dataset.train[0][:2000])
    print(f"half precision: {difference:.1e} at most, {same:.2%} equal classes")
    result = measure(shipped, evaluation_batches(dataset.test, side, 250))
    history = read_history(args.run / "history.csv")
    record = {
        "test": result,
        "half_precision": {"largest_difference": difference, "equal": same},
        "parameters": shipped.count_params(),
        "bytes": path.stat().st_size,
        "minutes": round(sum(row["seconds"] for row in history) / 60, 1),
        "history": history,
        **run,
    }
    write_json(SHIPPED / f"{stem}.json", record)
    shutil.copy(args.run / "curves.png", SHIPPED / f"{stem}.png")
    print(f"top-1 {result['top1']:.2%} of {result['images']:,} test images")


if __name__ == "__main__":
    main()
