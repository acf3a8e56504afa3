"""Measure a network on images that it was not trained on.

Prints its accuracy; `--output` also writes it as JSON, with what produced it.
"""

import json
import pathlib
import sys
import time

from nasnet_keras.cli.arguments import check_least
from nasnet_keras.cli.train import add_data_arguments


def add_arguments(parser):
    """Adds the arguments of `nasnet evaluate` to a parser."""
    network = parser.add_argument_group("network", "a preset or a model")
    network.add_argument("--preset", help="a preset, or its folder")
    network.add_argument(
        "--weights",
        help="which weights of the preset, or a path (default: its own)",
    )
    network.add_argument(
        "--model", help="a .keras file, as `nasnet train` writes it"
    )
    add_data_arguments(parser)
    measure = parser.add_argument_group("measurement")
    measure.add_argument(
        "--split",
        choices=("test", "validation"),
        default="test",
        help="which part of the data (default: test)",
    )
    measure.add_argument("--image-size", type=int, help="side in pixels")
    measure.add_argument(
        "--batch-size", type=int, default=64, help="images at a time"
    )
    measure.add_argument(
        "--output", type=pathlib.Path, help="a JSON file to write"
    )
    parser.set_defaults(run=run)


def run(args):
    """Runs `nasnet evaluate`."""
    check_least(args, {"batch_size": 1})
    if (args.preset is None) == (args.model is None):
        raise ValueError("Give either --preset or --model.")
    from nasnet_keras.cli.predict import Progress
    from nasnet_keras.training.data import load_dataset
    from nasnet_keras.training.feeds.evaluation import evaluation_batches

    model, names, side = _network(args)
    side = args.image_size or side
    dataset = load_dataset(
        args.data,
        data_dir=args.data_dir,
        image_size=side,
        validation_split=args.validation_split,
        images=args.images,
    )
    _check_classes(names, dataset)
    part = getattr(dataset, args.split)
    if not len(part[0]):
        raise ValueError(f"The {args.split} part of {dataset.name} is empty.")
    batches = evaluation_batches(part, side, args.batch_size)
    with Progress(len(part[0])) as progress:
        result = measure(model, batches, progress.update)
    _report(args, dataset, result)


def _network(args):
    """The model (it takes 0 to 255), its class names or `None`, its side."""
    from nasnet_keras.cli.predict import load_network
    from nasnet_keras.model_files import load_with_preset
    from nasnet_keras.presets import get_preset

    if args.model is not None:
        model, preset = load_with_preset(args.model, args.image_size)
        return model, preset.class_names, preset.image_size
    preset = get_preset(args.preset)
    model = load_network(preset, args.weights, include_preprocessing=True)
    return model, preset.class_names, preset.image_size


def _check_classes(names, dataset):
    if names in (None, "imagenet") or list(names) == list(dataset.classes):
        return
    raise ValueError(
        f"The network knows {', '.join(names)}. The classes of "
        f"{dataset.name} are others: {', '.join(dataset.classes)}."
    )


def measure(model, batches, progress=None):
    """Measures a network.

    Args:
        model: `keras.Model`, whose first output is class probabilities.
        batches: Iterable of pairs: images `(batch, side, side, channels)`, in
            the range that the model takes, and integer labels `(batch,)`.
        progress: Optional function, called with the number of images done.

    Returns:
        Dictionary: `images`, `top1` (share of them whose likeliest class is
        right), `top5` (whose class is among the five likeliest; only with
        more than five classes), `loss` (mean cross-entropy), `seconds`.

    Raises:
        ValueError: If there is no image.
    """
    import numpy as np

    began = time.monotonic()
    ranks, losses, classes = [], [], 0
    for images, labels in batches:
        scores = _scores(model, np.asarray(images))
        labels, classes = np.asarray(labels), scores.shape[1]
        right = scores[np.arange(len(labels)), labels][:, None]
        # How many classes are likelier; of equal ones half.
        equal = (scores == right).sum(axis=1) - 1
        ranks.append((scores > right).sum(axis=1) + equal / 2)
        losses.append(-np.log(np.maximum(right[:, 0], 1e-7)))
        if progress is not None:
            progress(len(labels))
    if not ranks:
        raise ValueError("`batches` must hold images. Received: none")
    ranks = np.concatenate(ranks)
    result = {"images": len(ranks), "top1": float((ranks < 1).mean())}
    if classes > 5:
        result["top5"] = float((ranks < 5).mean())
    result["loss"] = float(np.concatenate(losses).mean())
    result["seconds"] = round(time.monotonic() - began, 1)
    return result


def _scores(model, images):
    import keras
    import numpy as np

    if keras.config.image_data_format() == "channels_first":
        images = np.moveaxis(images, -1, 1)
    outputs = model.predict_on_batch(images)
    if isinstance(outputs, (list, tuple)):  # The auxiliary head's is second.
        outputs = outputs[0]
    return np.asarray(outputs, "float64")


def _report(args, dataset, result):
    from nasnet_keras.runs.files import write_atomically
    from nasnet_keras.runs.provenance import provenance

    top5 = f", top-5 {result['top5']:.2%}" if "top5" in result else ""
    print(
        f"{args.model or args.preset} on the {result['images']:,} images of "
        f"{dataset.name} ({args.split}): top-1 {result['top1']:.2%}{top5}, "
        f"loss {result['loss']:.4f}"
    )
    if args.output is not None:
        content = {
            **result,
            "network": str(args.model or args.preset),
            "weights": args.weights,
            "data": {"name": dataset.name, "sha256": dataset.digest},
            "split": args.split,
            "produced_by": provenance(),
        }
        write_atomically(args.output, json.dumps(content, indent=1) + "\n")
        print(f"Written: {args.output}", file=sys.stderr)
