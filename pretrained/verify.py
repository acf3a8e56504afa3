"""Top-1 and top-5 accuracy of a preset's weights on labelled images.

    python pretrained/verify.py --preset nasnet_mobile --weights imagenet \
        --data FOLDER

FOLDER holds one folder of images for each class. For a network of ImageNet
those are named by WordNet id (n01440764); the official archive of the
validation images has them all in one folder, so sort them first. For other
networks they are named as the preset names its classes. With `--tfds DIR`, the
images are those of the split `validation` of `imagenet2012` that TensorFlow
Datasets has prepared in DIR.

Images are read, resized and cut as nasnet_keras/images.py says, one batch in
memory at a time. Prints a table; `--output` writes it with what produced it.
"""

import hashlib
import importlib.metadata
import io
import json
import pathlib
import sys

import numpy as np
from absl import app, flags
from absl.flags import argparse_flags

from nasnet_keras.cli.predict import (
    Progress,
    input_channels,
    load_network,
    predictions,
)
from nasnet_keras.images.files import INTERPOLATIONS, image_files, load_image
from nasnet_keras.images.imagenet import preprocess_input
from nasnet_keras.presets import get_preset
from nasnet_keras.runs.files import write_atomically


def make_parser():
    """Returns the parser of the script's arguments."""
    parser = argparse_flags.ArgumentParser(
        description=__doc__.split("\n")[0],
        inherited_absl_flags=None,
        allow_abbrev=False,
    )
    parser.add_argument("--preset", required=True, help="its name or folder")
    parser.add_argument(
        "--weights",
        help="which weights of the preset, or the path of a file (default: "
        "those of its folder, else the published ones, as imagenet)",
    )
    data = parser.add_mutually_exclusive_group(required=True)
    data.add_argument(
        "--data", type=pathlib.Path, help="a folder of images for each class"
    )
    data.add_argument(
        "--tfds",
        type=pathlib.Path,
        help="where TensorFlow Datasets prepared imagenet2012",
    )
    parser.add_argument("--crop", type=float, default=0.875)
    parser.add_argument(
        "--interpolation", choices=INTERPOLATIONS, default="bicubic"
    )
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument(
        "--limit", type=int, help="use only so many images, of all classes"
    )
    parser.add_argument(
        "--output", type=pathlib.Path, help="a JSON file to write"
    )
    return parser


def folder_examples(folder, classes, limit=None):
    """Lists the images of a folder with one folder per class.

    Args:
        folder: `pathlib.Path`.
        classes: Sequence of strings, the names of the folders by label.
        limit: Optional integer: take only so many, evenly from the whole.

    Returns:
        List of pairs: path, label.

    Raises:
        ValueError: If a folder has another name, or there are no images.
    """
    if not folder.is_dir():
        raise ValueError(f"--data must be a folder. Received: {folder}")
    labels = {name: label for label, name in enumerate(classes)}
    found = sorted(
        path
        for path in folder.iterdir()
        if path.is_dir() and not path.name.startswith(".")
    )
    if unknown := [path.name for path in found if path.name not in labels]:
        raise ValueError(
            f"--data {folder}: {len(unknown)} of {len(found)} folders are "
            f"named as no class of the network: {_first(unknown)}. Its "
            f"classes are {_first(classes)}."
        )
    examples = [
        (path, labels[inner.name])
        for inner in found
        for path in image_files(inner)
    ]
    if not examples:
        raise ValueError(
            f"--data {folder} holds no images in folders named by class "
            f"({_first(classes)}). Found {len(found)} such folders"
            f"{_beside(folder)}."
        )
    if limit is not None and limit < len(examples):
        chosen = [i * len(examples) // limit for i in range(limit)]
        examples = [examples[i] for i in chosen]
    return examples


def _first(names):
    names = [str(name) for name in names]
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def _beside(folder):
    files = image_files(folder)
    return f" and {len(files)} images beside them; sort those" if files else ""


def tfds_examples(folder, limit=None):
    """Opens ImageNet's validation images as TensorFlow Datasets keeps them.

    Nothing is downloaded or prepared; files are decoded as those of a folder.

    Args:
        folder: `pathlib.Path`, the `data_dir` of TensorFlow Datasets.
        limit: Optional integer: take only the first so many. They are stored
            in random order.

    Returns:
        Pair: how many images there are, an iterable of pairs: open binary
        file, label.

    Raises:
        ValueError: If the dataset is not there.
    """
    versions = sorted(folder.glob("imagenet2012/*/dataset_info.json"))
    if not versions:
        raise ValueError(
            f"--tfds {folder} holds no prepared imagenet2012 (looked for "
            "imagenet2012/VERSION/dataset_info.json). Prepare it with "
            "`tfds build imagenet2012`, which needs the official archives, "
            "or give a folder of images by --data."
        )
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise ImportError(
            "--tfds needs tensorflow and tensorflow-datasets, which cannot be "
            f"imported: {error}"
        ) from error
    builder = tfds.builder_from_directory(versions[-1].parent)
    if "validation" not in builder.info.splits:
        raise ValueError(
            f"{versions[-1].parent} has no split `validation`. "
            f"Received: {sorted(builder.info.splits)}"
        )
    total = builder.info.splits["validation"].num_examples
    total = total if limit is None else min(limit, total)
    dataset = builder.as_dataset(
        split=f"validation[:{total}]",
        decoders={"image": tfds.decode.SkipDecoding()},
        shuffle_files=False,
    )
    return total, (
        (io.BytesIO(example["image"]), int(example["label"]))
        for example in dataset.as_numpy_iterator()
    )


def measure(model, examples, batch_size, progress):
    """Counts how often the right class is first, or among the first five.

    Args:
        model: `keras.Model` that takes images from -1 to 1.
        examples: Iterable of pairs: label, array of values from 0 to 255.
        batch_size: Positive integer.
        progress: `Progress`.

    Returns:
        Tuple of integers: images, right at the first, right within five.
        Among equal scores the class of the lowest number comes first.

    Raises:
        RuntimeError: If a score is not finite.
    """
    counts = np.zeros(3, int)
    for labels, scores in predictions(
        model, examples, batch_size, preprocess_input
    ):
        if not np.isfinite(scores).all():
            raise RuntimeError(
                "The network's output is not finite: the weights are damaged, "
                "or the precision is too low for them."
            )
        best = np.argsort(-scores, axis=1, kind="stable")[:, :5]
        right = best == np.array(labels)[:, None]
        counts += (len(labels), right[:, 0].sum(), right.any(axis=1).sum())
        progress.update(len(labels))
    return tuple(map(int, counts))


def verify(args):
    """Measures what the arguments ask for.

    Args:
        args: What `make_parser` parses.

    Returns:
        Dictionary that JSON can hold: the columns of the table.

    Raises:
        ValueError: If an argument is out of range or does not fit the others.
    """
    _check(args)
    preset = get_preset(args.preset)
    weights = args.weights or preset.own_weights
    classes = _classes(preset, args.tfds)
    if args.data:
        examples = folder_examples(args.data, classes, args.limit)
        total = len(examples)
    else:
        total, examples = tfds_examples(args.tfds, args.limit)
    model = load_network(preset, weights)
    _check_output(model, preset, classes)
    channels = input_channels(model)
    loaded = (
        (
            label,
            load_image(
                file,
                preset.image_size,
                args.crop,
                args.interpolation,
                channels,
            ),
        )
        for file, label in examples
    )
    with Progress(total) as progress:
        images, top1, top5 = measure(model, loaded, args.batch_size, progress)
    file = weights_file(preset, weights)
    return {
        "preset": args.preset,
        "weights": str(weights),
        "images": images,
        "image size": preset.image_size,
        "crop": args.crop,
        "interpolation": args.interpolation,
        "pooling semantics": pooling_semantics(model),
        "top-1": round(100 * top1 / images, 3),
        "top-5": round(100 * top5 / images, 3),
        "weights_sha256": file and _sha256(file),
    }


def _check(args):
    for name in ("batch_size", "limit"):
        value = getattr(args, name)
        if value is not None and value < 1:
            raise ValueError(
                f"--{name.replace('_', '-')} must be at least 1. "
                f"Received: {value}"
            )
    if not 0 < args.crop <= 1:
        raise ValueError(
            f"--crop must be above 0 and up to 1. Received: {args.crop}"
        )


def _classes(preset, tfds):
    """The names that folders of classes have, by label."""
    from nasnet_keras.images.imagenet import class_index

    names = preset.class_names
    if tfds and names != "imagenet":
        raise ValueError(
            f"--tfds holds the classes of ImageNet, the preset {preset.name!r} "
            "knows others. Give --data."
        )
    if names is None:
        raise ValueError(
            f"The preset {preset.name!r} does not name its classes, so "
            "folders cannot be told by name. Save it with class names."
        )
    return [w for w, _ in class_index()] if names == "imagenet" else names


def _check_output(model, preset, classes):
    shape = model.output_shape
    shape = shape[0] if isinstance(shape, list) else shape
    if len(shape) != 2 or shape[1] != len(classes):
        raise ValueError(
            f"The preset {preset.name!r} names {len(classes)} classes, but its "
            f"network's output has the shape {shape}. Correct the class names "
            "of the preset, or take the weights of its classes."
        )


def pooling_semantics(model):
    """Returns the pooling semantics of a model's layers, as they are built."""
    found = {
        layer.pooling_semantics
        for layer in model._flatten_layers()
        if hasattr(layer, "pooling_semantics")
    }
    return ", ".join(sorted(found)) or "none"


def weights_file(preset, weights):
    """Returns the path of the file that weights come from.

    Args:
        preset: `Preset`.
        weights: The name of some of its weights, which are in the cache by
            now, or a path. Of a TF-slim checkpoint the file of values counts.

    Returns:
        `pathlib.Path`, or `None` if the weights are in several files.
    """
    source = preset.weights.get(weights, weights)
    path = pathlib.Path(source.fetch() if hasattr(source, "fetch") else source)
    if path.is_file():
        return path
    folder, start = (path, "") if path.is_dir() else (path.parent, path.name)
    values = list(folder.rglob(f"{start}*.data-*"))
    return values[0] if len(values) == 1 else None


def _sha256(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def format_table(result):
    """Returns the columns of a result as a table of one row."""
    cells = {
        name: f"{value:.2f} %" if name.startswith("top-") else str(value)
        for name, value in result.items()
        if name != "weights_sha256"
    }
    widths = {name: max(len(name), len(cells[name])) for name in cells}
    return "\n".join(
        "  ".join(texts[name].rjust(widths[name]) for name in cells)
        for texts in ({name: name for name in cells}, cells)
    )


def write_result(path, result, args):
    """Writes a result, and what produced it, as JSON."""
    from nasnet_keras.runs.provenance import provenance

    produced_by = {
        **provenance(),
        "pillow": importlib.metadata.version("pillow"),
        "configuration": {
            name: value if isinstance(value, (int, float)) else str(value)
            for name, value in vars(args).items()
            if value is not None
        },
    }
    content = {"result": result, "produced_by": produced_by}
    write_atomically(path, json.dumps(content, indent=2) + "\n")


def main(args):
    """Measures, prints, writes; 2 on wrong input, 1 if it cannot go on."""
    try:
        result = verify(args)
    except (ValueError, ImportError, RuntimeError) as error:
        print(f"verify.py: {error}", file=sys.stderr)
        return 1 if isinstance(error, RuntimeError) else 2
    print(format_table(result))
    if args.output:
        write_result(args.output, result, args)
    return 0


def _parse(argv):
    flags.FLAGS.mark_as_parsed()  # absl asks for it; we define no flag.
    return make_parser().parse_args(argv[1:])


if __name__ == "__main__":
    app.run(main, flags_parser=_parse)
