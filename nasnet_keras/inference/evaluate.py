"""Accuracy of a network on labelled images."""

import dataclasses
import time
from collections.abc import Callable, Iterable
from typing import Any

import keras
import numpy as np

from nasnet_keras import checks
from nasnet_keras.images.reading import (
    CROP,
    INTERPOLATION,
    check_crop,
    check_interpolation,
    check_side,
)
from nasnet_keras.inference.labelled_images import (
    LabelledImages,
    default_data,
    default_split,
    open_images,
)
from nasnet_keras.inference.metrics import cross_entropies, ranks
from nasnet_keras.inference.network_facts import (
    file_sha256,
    pooling_semantics,
    weights_file,
)
from nasnet_keras.inference.predict import (
    check_classes,
    check_for_model,
    check_for_preset,
    input_channels,
    load_network,
    predict_scores,
    required_weights,
    with_channels,
)
from nasnet_keras.inference.recorded_data import recorded_data, recorded_split
from nasnet_keras.model_files import load_with_preset, read_about
from nasnet_keras.model_files.contract import Said, main_output
from nasnet_keras.presets import get_preset
from nasnet_keras.presets.types import Preset
from nasnet_keras.runs.notices import first
from nasnet_keras.runs.progress import Progress
from nasnet_keras.training.data.dataset import dataset_name
from nasnet_keras.training.data.tfrecords import Records
from nasnet_keras.training.feeds.evaluation import (
    EvaluationFeed,
    evaluation_batches,
)

SPLITS = ("test", "validation", "all")


class NotFiniteError(RuntimeError):
    """A network whose scores are NaN or infinite."""


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """A measured accuracy, with its network and data.

    Args:
        preset: `Preset` of the network.
        weights: The name or path of its weights; `None` for a model.
        model: Path of the `.keras` file; `None` for a preset.
        data: `LabelledImages`.
        result: Dictionary: what `measure` returned, `image_size`, `crop`,
            `interpolation` (both `None` for images that are no files, which
            are not cropped) and `pooling_semantics`.
    """

    preset: Preset
    weights: Any
    model: str | None
    data: LabelledImages
    result: dict[str, Any]

    def record(self) -> dict[str, Any]:
        """Returns the evaluation as a dictionary that JSON can hold."""
        source = self.weights if self.model is None else self.model
        file = weights_file(self.preset, source)
        return {
            **self.result,
            "weights": None if self.weights is None else str(self.weights),
            "weights_sha256": file and file_sha256(file),
            "data": {"name": self.data.name, "sha256": self.data.digest},
            "split": self.data.split,
        }


def evaluate(
    preset: Any = None,
    weights: Any = None,
    model: str | None = None,
    data: str | None = None,
    split: str | None = None,
    image_size: int | None = None,
    batch_size: int = 64,
    crop: float | str | None = None,
    interpolation: str | None = None,
    limit: int | None = None,
    input_range: str | None = None,
    from_logits: bool | None = None,
    **data_options: Any,
) -> Evaluation:
    """Measures a network on images that it was not trained on.

    Args:
        preset: A preset's name, folder or `Preset`; or `None` with `model`.
        weights: The preset's weights, by name or path. Defaults to its own.
        model: Path of a `.keras` file, in place of a preset.
        data: See `nasnet_keras.training.data.load_dataset`. By default see
            `default_data`.
        split: `"test"`, `"validation"`, or `"all"`: every image of a folder
            whose folders are named by the classes of the network (WordNet ids
            for ImageNet). By default see `default_split`.
        image_size: Integer, the side of the images; the network's by default.
        batch_size: Integer, images predicted at a time.
        crop: Float, the fraction of the shorter side of image files that is
            kept, or `"squash"`; by default the network's, else 0.875.
        interpolation: `"bicubic"` or `"bilinear"`, of image files; by default
            the network's, else `"bicubic"`.
        limit: Optional integer, the number of images to use.
        input_range: `"0..255"`, `"0..1"` or `"-1..1"`: the values that a
            `model`, or the network of a preset's folder, takes which does not
            say it itself.
        from_logits: Whether the outputs of such a model are logits.
        data_options: `data_dir`, `validation_split`, `images`: see
            `load_dataset`. By default the last two are those with which the
            model was trained, if it was trained on the same data.

    Returns:
        `Evaluation`.

    Raises:
        ValueError: If an argument is out of range, there are no weights, the
            data cannot be read or have other classes, or the model does not
            say what it takes and gives.
        NotFiniteError: If a score is not finite.
    """
    if image_size is not None:
        image_size = check_side("image_size", image_size)
    if limit is not None:
        limit = checks.integer("limit", limit, 1)
    batch_size = checks.integer("batch_size", batch_size, 1)
    checks.choice("split", split, (None, *SPLITS))
    if (preset is None) == (model is None):
        raise ValueError(
            "Give either `preset` or `model`. Received: "
            f"preset={preset!r}, model={model!r}"
        )
    network: keras.Model | None = None
    about: dict[str, Any] = {}
    said = Said(input_range, from_logits)
    if model is not None:
        check_for_model(weights)
        network, preset = load_with_preset(model, image_size, said)
        about = read_about(model)
    else:
        preset = get_preset(preset)
        check_for_preset(preset, said)
        weights = required_weights(preset, weights)
    if data is None:
        data = default_data(preset, recorded_data(about))
    data = dataset_name(data)
    if split is None:
        split = "test" if model is not None else default_split(preset, data)
    side = image_size or preset.image_size
    given = {k: v for k, v in data_options.items() if v is not None}
    if split != "all":
        data_dir = given.get("data_dir")
        given = {**recorded_split(about, data, split, data_dir), **given}
    how = _reading(preset, crop, interpolation)
    images = open_images(preset, data, split, side, **how, **given)
    images = images.limited(limit)
    reading = _reading_of(images, how, crop, interpolation)
    if network is None:
        network = load_network(preset, weights, image_size, said)
    _check_output(network, preset, images)
    batches = _batches(network, images, side, batch_size, reading)
    with Progress(len(images)) as progress:
        result = measure(network, batches, progress.update)
    result |= {"image_size": side, **reading}
    result["pooling_semantics"] = pooling_semantics(network)
    return Evaluation(preset, weights, model, images, result)


def _check_output(
    network: keras.Model, preset: Preset, images: LabelledImages
) -> None:
    """Raises ValueError unless network and labels have as many classes."""
    shape = tuple(main_output(network.output).shape)
    if preset.class_names is not None:
        check_classes(preset, len(images.classes), shape)
    elif shape[-1] != len(images.classes):
        raise ValueError(
            f"{preset.name} tells {shape[-1]} classes apart. {images.name} "
            f"has {len(images.classes)}: {first(images.classes)}."
        )


def _reading(
    preset: Preset, crop: float | str | None, interpolation: str | None
) -> dict[str, Any]:
    """How image files are read: as asked for, else as the network's were."""
    crop = preset.crop if crop is None else crop
    if interpolation is None:
        interpolation = preset.interpolation or INTERPOLATION
    return {
        "crop": CROP if crop is None else check_crop(crop),
        "interpolation": check_interpolation(interpolation),
    }


def _reading_of(
    images: LabelledImages,
    how: dict[str, Any],
    crop: float | str | None,
    interpolation: str | None,
) -> dict[str, Any]:
    """How the images were read; `None` for those that are no files."""
    if images.in_files:
        return how
    if crop is not None or interpolation is not None:
        raise ValueError(
            "`crop` and `interpolation` are for images read from files. "
            f"{images.name} ({images.split}) is in memory, its images are "
            f"resized without a crop. Received: crop={crop}, "
            f"interpolation={interpolation}"
        )
    return {"crop": None, "interpolation": None}


def _batches(
    model: keras.Model,
    images: LabelledImages,
    side: int,
    batch_size: int,
    reading: dict[str, Any],
) -> Any:
    pixels, channels = images.images, input_channels(model)
    if not images.in_files:
        part = with_channels(pixels, channels), images.labels
        return evaluation_batches(part, side, batch_size)
    part, options = (pixels, images.labels), {**reading, "channels": channels}
    if isinstance(pixels, Records):
        return evaluation_batches(part, side, batch_size, **options)
    # A folder of any size: one batch in memory at a time.
    feed = EvaluationFeed(part, side, batch_size, **options)
    return feed.numpy_batches()


def measure(
    model: keras.Model,
    batches: Iterable,
    progress: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """Measures a network.

    Args:
        model: `keras.Model`, whose first output is class probabilities.
        batches: Iterable of pairs: images `(batch, side, side, channels)`, in
            the range that the model takes, and integer labels `(batch,)`.
        progress: Optional function, called with the number of images done.

    Returns:
        Dictionary: `images`, `top1` (fraction whose class has the highest
        score), `top5` (fraction whose class has one of the five highest; only
        with more than five classes), `loss` (mean cross-entropy), `seconds`.
        For equal scores see `metrics.ranks`.

    Raises:
        ValueError: If there is no image.
        NotFiniteError: If a score is not finite.
    """
    began = time.monotonic()
    all_ranks, losses, classes = [], [], 0
    for images, labels in batches:
        scores = _finite_scores(model, np.asarray(images))
        labels, classes = np.asarray(labels), scores.shape[1]
        all_ranks.append(ranks(scores, labels))
        losses.append(cross_entropies(scores, labels))
        if progress is not None:
            progress(len(labels))
    if not all_ranks:
        raise ValueError("`batches` must hold images. Received: none")
    rank = np.concatenate(all_ranks)
    result = {"images": len(rank), "top1": float((rank < 1).mean())}
    if classes > 5:
        result["top5"] = float((rank < 5).mean())
    result["loss"] = float(np.concatenate(losses).mean())
    result["seconds"] = round(time.monotonic() - began, 1)
    return result


def _finite_scores(model: keras.Model, images: np.ndarray) -> np.ndarray:
    scores = predict_scores(model, images).astype("float64")
    if not np.isfinite(scores).all():
        raise NotFiniteError(
            "The network's output is not finite: the weights are damaged, or "
            "the precision is too low for them."
        )
    return scores
