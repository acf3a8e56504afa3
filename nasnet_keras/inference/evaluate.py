"""Accuracy of a network on labelled images."""

import dataclasses
import time
from collections.abc import Callable, Iterable
from typing import Any

import keras
import numpy as np

from nasnet_keras.images.files import CROP, INTERPOLATION
from nasnet_keras.inference.labelled_images import (
    LabelledImages,
    default_split,
    folder_classes,
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
    input_channels,
    load_network,
    predict_scores,
    required_weights,
)
from nasnet_keras.model_files import load_with_preset
from nasnet_keras.presets import get_preset
from nasnet_keras.presets.types import Preset
from nasnet_keras.runs.progress import Progress
from nasnet_keras.training.feeds.evaluation import (
    EvaluationFeed,
    evaluation_batches,
)


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
            `interpolation` (both `None` for images in memory, which are not
            cropped) and `pooling_semantics`.
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
    data: str = "cifar10",
    split: str | None = None,
    image_size: int | None = None,
    batch_size: int = 64,
    crop: float | None = None,
    interpolation: str | None = None,
    limit: int | None = None,
    **data_options: Any,
) -> Evaluation:
    """Measures a network on images that it was not trained on.

    Args:
        preset: A preset's name, folder or `Preset`; or `None` with `model`.
        weights: The preset's weights, by name or path. Defaults to its own.
        model: Path of a `.keras` file, in place of a preset.
        data: See `nasnet_keras.training.data.load_dataset`.
        split: `"test"`, `"validation"`, or `"all"`: every image of a folder
            whose folders are named by the classes of the network (WordNet ids
            for ImageNet). By default see `default_split`.
        image_size: Integer, the side of the images; the network's by default.
        batch_size: Integer, images predicted at a time.
        crop: Float, the fraction of the shorter side of image files that is
            kept, 0.875 by default.
        interpolation: `"bicubic"` (the default) or `"bilinear"`, of image
            files.
        limit: Optional integer, the number of images to use.
        data_options: `data_dir`, `validation_split`, `images`: see
            `load_dataset`.

    Returns:
        `Evaluation`.

    Raises:
        ValueError: If an argument is out of range, there are no weights, or
            the data cannot be read or have other classes.
        NotFiniteError: If a score is not finite.
    """
    network, data = None, str(data)
    if model is not None:
        network, preset = load_with_preset(model, image_size)
        split = split or "test"
    else:
        preset = get_preset(preset)
        split = split or default_split(preset, data)
        if split == "all":
            folder_classes(preset)  # Raises before weights are looked for.
        weights = required_weights(preset, weights)
    side = image_size or preset.image_size
    images = open_images(preset, data, split, side, **data_options)
    images = images.limited(limit)
    if network is None:
        network = load_network(preset, weights, include_preprocessing=True)
    if preset.class_names is not None:
        _check_output(network, preset)
    reading = _reading_options(images, crop, interpolation)
    batches = _batches(network, images, side, batch_size, reading)
    with Progress(len(images)) as progress:
        result = measure(network, batches, progress.update)
    result |= {"image_size": side, **reading}
    result["pooling_semantics"] = pooling_semantics(network)
    return Evaluation(preset, weights, model, images, result)


def _check_output(model: keras.Model, preset: Preset) -> None:
    shape = model.output_shape
    shape = shape[0] if isinstance(shape, list) else shape
    check_classes(preset, len(folder_classes(preset)), shape)


def _reading_options(
    images: LabelledImages, crop: float | None, interpolation: str | None
) -> dict[str, Any]:
    """The options with their defaults; `None` where they have no effect."""
    if images.in_files:
        return {
            "crop": CROP if crop is None else crop,
            "interpolation": interpolation or INTERPOLATION,
        }
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
    part = (images.images, images.labels)
    if not images.in_files:
        return evaluation_batches(part, side, batch_size)
    options = {**reading, "channels": input_channels(model)}
    if images.split == "all":
        # A folder of any size: one batch in memory at a time.
        feed = EvaluationFeed(part, side, batch_size, **options)
        return feed.numpy_batches()
    return evaluation_batches(part, side, batch_size, **options)


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
