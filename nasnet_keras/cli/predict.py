"""Name what is on images: the likeliest classes of each.

An image is resized and its middle cut out as networks are evaluated; see
nasnet_keras/images.py. A folder stands for the image files in it.
"""

import importlib.util
import itertools
import pathlib
import sys
import time

from nasnet_keras.cli.arguments import check_least


def add_arguments(parser):
    """Adds the arguments of `nasnet predict` to a parser."""
    parser.add_argument(
        "images",
        nargs="+",
        type=pathlib.Path,
        metavar="IMAGE",
        help="an image file, or a folder of them",
    )
    network = parser.add_mutually_exclusive_group(required=True)
    network.add_argument("--preset", help="a preset's name, or its folder")
    network.add_argument(
        "--model",
        help="a .keras file, as `nasnet train` and `retrain` write it",
    )
    parser.add_argument(
        "--image-size",
        type=int,
        help="side in pixels to which the images of a --model are cropped "
        "(default: its own)",
    )
    parser.add_argument(
        "--weights",
        help="which weights of the preset, or the path of a file (default: "
        "those of its folder, else the published ones, as imagenet)",
    )
    parser.add_argument(
        "--top", type=int, default=5, help="classes per image (default: 5)"
    )
    parser.add_argument(
        "--batch-size",
        type=int,
        default=8,
        help="images predicted at a time (default: 8)",
    )
    parser.add_argument(
        "--crop",
        type=float,
        default=0.875,
        help="part of the shorter side that is looked at (default: 0.875)",
    )
    parser.set_defaults(run=run)


def run(args):
    """Runs `nasnet predict`; returns 1 if an image could not be read."""
    _check(args)
    files = _files(args.images)
    preset, model, preprocess = _network(args)
    unread = []
    with Progress(len(files)) as progress:
        images = _readable(files, preset, model, args.crop, unread, progress)
        for paths, scores in predictions(
            model, images, args.batch_size, preprocess
        ):
            names = class_names(preset, scores)
            for path, row in zip(paths, scores):
                progress.say(_report(path, row, names, args.top), sys.stdout)
            progress.update(len(paths))
    if unread and len(files) > 1:
        print(
            f"nasnet predict: {len(unread)} of {len(files)} images could not "
            "be read.",
            file=sys.stderr,
        )
    return 1 if unread else 0


def _network(args):
    """The preset, its network, and what scales the images for that."""
    from nasnet_keras.images.imagenet import preprocess_input
    from nasnet_keras.model_files import load_with_preset
    from nasnet_keras.presets import get_preset

    if args.model is not None:
        if args.weights is not None:
            raise ValueError(
                "--model has its weights: --weights is for presets."
            )
        model, preset = load_with_preset(args.model, args.image_size)
        return preset, model, None
    if args.image_size is not None:
        raise ValueError(
            "--image-size is for --model: a preset has its own. Received: "
            f"--image-size {args.image_size}"
        )
    preset = get_preset(args.preset)
    return preset, load_network(preset, args.weights), preprocess_input


def _check(args):
    check_least(args, {"top": 1, "batch_size": 1})
    if not 0 < args.crop <= 1:
        raise ValueError(
            f"--crop must be above 0 and up to 1. Received: {args.crop}"
        )


def _files(paths):
    """The paths, with those of folders replaced by their image files."""
    from nasnet_keras.images.files import SUFFIXES, image_files

    files = []
    for path in paths:
        found = image_files(path) if path.is_dir() else [path]
        if not found:
            raise ValueError(
                f"The folder {path} holds no image ({', '.join(SUFFIXES)}). "
                "Folders within it are not searched: give them."
            )
        files += found
    return files


def _readable(files, preset, model, crop, unread, progress):
    """Yields path and image; names and notes the files that have none."""
    from nasnet_keras.images.files import load_image

    channels = input_channels(model)
    for path in files:
        try:
            image = load_image(path, preset.image_size, crop, channels=channels)
        except ValueError as error:
            unread.append(path)
            progress.say(f"nasnet predict: {error}", sys.stderr)
            progress.update(1)
        else:
            yield path, image


def _report(path, scores, names, top):
    best = sorted(range(len(scores)), key=lambda i: -scores[i])[:top]
    lines = [f"  {scores[i]:.4f}  {names[i]}" for i in best]
    return "\n".join([str(path), *lines])


def load_network(preset, weights=None, include_preprocessing=False):
    """Builds the network of a preset, with trained weights.

    Args:
        preset: `Preset`.
        weights: Optional string: which of the preset's weights, or the path
            of a file. Defaults to the preset's own.
        include_preprocessing: Whether images come as values of 0 to 255.

    Returns:
        A `keras.Model` that takes images from -1 to 1, or from 0 to 255.

    Raises:
        ValueError: If there are no weights: random ones predict nothing.
    """
    import nasnet_keras

    weights = weights or preset.own_weights
    if weights is None:
        raise ValueError(
            f"The preset {preset.name!r} has no weights of its own, and random "
            "weights predict nothing. Give --weights, the path of a weights "
            "file."
        )
    activation = preset.configuration.get("classifier_activation", "softmax")
    if activation in (None, "linear"):  # Probabilities, not logits.
        activation = "softmax"
    return nasnet_keras.from_preset(
        preset,
        weights=weights,
        classifier_activation=activation,
        include_preprocessing=include_preprocessing,
    )


def input_channels(model):
    """Returns how many channels the images of a model have."""
    import keras

    from nasnet_keras.layers.image_axes import split_shape

    data_format = keras.config.image_data_format()
    return split_shape(model.input_shape, data_format)[-1]


def class_names(preset, scores):
    """Returns what to call each class that a network knows.

    Args:
        preset: The preset.
        scores: Array `(images, classes)`, outputs of its network.

    Returns:
        List of strings: the preset's names, with WordNet ids for ImageNet
        (where two classes are called "crane"), or numbers if it has no names.

    Raises:
        ValueError: If the network has another number of classes.
    """
    names, classes = preset.class_names, scores.shape[-1]
    if names is None:
        names = [f"class {number}" for number in range(classes)]
    elif names == "imagenet":
        from nasnet_keras.images.imagenet import class_index

        names = [f"{name} ({wnid})" for wnid, name in class_index()]
    if scores.ndim != 2 or len(names) != classes:
        raise ValueError(
            f"The preset {preset.name!r} names {len(names)} classes, but its "
            f"network's output has the shape {scores.shape}. Correct the "
            "class names of the preset, or take the weights of its classes."
        )
    return list(names)


def predictions(model, examples, batch_size, preprocess=None):
    """Predicts images as they come, a batch of them in memory at a time.

    Args:
        model: `keras.Model`. Of several outputs (an auxiliary head's) the
            first is taken.
        examples: Iterable of pairs: anything, an image as an array of values
            from 0 to 255, channels last.
        batch_size: Positive integer.
        preprocess: Optional function that scales a batch for a model that
            does not take 0 to 255.

    Yields:
        Pairs for each batch: the list of the first parts, the array
        `(images, classes)` of outputs.
    """
    import keras
    import numpy as np

    examples = iter(examples)
    while batch := list(itertools.islice(examples, batch_size)):
        keys, images = zip(*batch)
        x = np.stack(images)
        x = x if preprocess is None else preprocess(x)
        if keras.config.image_data_format() == "channels_first":
            x = np.moveaxis(x, -1, 1)
        outputs = model.predict_on_batch(x)
        if isinstance(outputs, (list, tuple)):
            outputs = outputs[0]
        yield list(keys), np.asarray(outputs)


class Progress:
    """How many images are done, on standard error; a context manager.

    A bar on a terminal; elsewhere a line, at most every ten seconds.

    Args:
        total: Integer, the images in all.
    """

    def __init__(self, total):
        self.total = total
        self.done = 0
        self.bar = None

    def __enter__(self):
        self.began = self.said = time.monotonic()
        if (
            self.total > 1
            and sys.stderr.isatty()
            and importlib.util.find_spec("tqdm")
        ):
            from tqdm import tqdm

            self.bar = tqdm(
                total=self.total,
                file=sys.stderr,
                dynamic_ncols=True,
                unit=" images",
            )
        return self

    def __exit__(self, *exception):
        if self.bar is not None:
            self.bar.close()

    def say(self, text, file):
        """Prints a line, above the bar if there is one."""
        if self.bar is not None:
            self.bar.write(text, file=file)
        else:
            print(text, file=file, flush=True)

    def update(self, images):
        """Counts images as done."""
        self.done += images
        if self.bar is not None:
            self.bar.update(images)
            return
        now = time.monotonic()
        if now - self.said >= 10:
            self.said = now
            pace = (now - self.began) / self.done
            left = round(pace * (self.total - self.done))
            text = f"image {self.done}/{self.total}"
            self.say(f"{text}, {left // 60}:{left % 60:02d} left", sys.stderr)
