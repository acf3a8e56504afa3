"""Compares an exported file, in its own runtime, with the Keras model."""

import os
import pathlib
from typing import Any

import keras
import numpy as np

from nasnet_keras.deploy.exporting.runtimes import can_run, open_file

# Of the largest output: single precision, computed in another order.
CLOSE = 1e-4
BATCH = 8


class ExportError(RuntimeError):
    """An exported file does not compute what the model computes."""


def compare(
    model: keras.Model,
    path: str | os.PathLike,
    format: str,
    precision: str,
    images: np.ndarray,
    origin: str = "given images",
) -> dict[str, Any]:
    """Runs a file and the model on images.

    Args:
        model: `keras.Model` in single precision.
        path: Path of the file or folder.
        format: A key of `FORMATS`.
        precision: `"float32"` must agree to 1e-4 of the largest output; of
            others the difference is reported.
        images: Array of images as the model takes them.
        origin: String, what these are, for the report.

    Returns:
        Dictionary: `compared`, whether it was; `images`, their number;
        `compared_on`, what they are; `largest_difference`, relative to the
        largest output; `same_predictions`, the part of the images whose
        largest class is the same; `order`, for each output of the model its
        place among those of the file, from 0.

    Raises:
        ExportError: If the file has other outputs than the model; one is not
            finite or, in single precision, differs.
    """
    if not can_run(format):
        return {"compared": False, "reason": "Core ML runs on a Mac alone"}
    name = pathlib.Path(path).name
    ours = _outputs(lambda part: model(part, training=False), images)
    theirs = _outputs(open_file(path, format), images)
    order = _order(ours, theirs, name)
    pairs = [(one, theirs[place]) for one, place in zip(ours, order)]
    # NumPy's maximum, unlike Python's, is NaN if one of them is.
    difference = float(np.max([_difference(a, b) for a, b in pairs]))
    wrong = precision == "float32" and difference > CLOSE
    if wrong or not np.isfinite(difference):
        raise ExportError(
            f"{name} does not compute what the model computes: its outputs "
            f"differ by {difference:.2g} of the largest (at most {CLOSE:g}). "
            "Nothing was written."
        )
    same = [(_decisions(a, a) == _decisions(b, a)).mean() for a, b in pairs]
    return {
        "compared": True,
        "images": len(images),
        "compared_on": origin,
        "largest_difference": difference,
        "same_predictions": float(min(same)),
        "order": order,
    }


def _outputs(run, images):
    """Each output for all images, as an array."""
    parts = []
    for first in range(0, len(images), BATCH):
        # One size of batch: runtimes prepare for each size anew.
        part = np.resize(
            images[first : first + BATCH], (BATCH, *images.shape[1:])
        )
        count = min(BATCH, len(images) - first)
        found = map(keras.ops.convert_to_numpy, keras.tree.flatten(run(part)))
        parts.append([x[:count].astype("float64") for x in found])
    return [np.concatenate(each) for each in zip(*parts)]


def _order(ours, theirs, name):
    """For each output of the model its place among those of the file.

    Some formats have an order of their own: the nearest is the same one.
    """
    pairs = sorted(
        (float(abs(a - b).sum()), abs(mine - place), mine, place)
        for mine, a in enumerate(ours)
        for place, b in enumerate(theirs)
        if a.shape == b.shape
    )
    order: dict[int, int] = {}
    for *_, mine, place in pairs:
        if mine not in order and place not in order.values():
            order[mine] = place
    if not len(order) == len(ours) == len(theirs):
        raise ExportError(
            f"{name} must have the outputs of the model, "
            f"{[x.shape for x in ours]}. Received: {[x.shape for x in theirs]}."
            " Nothing was written."
        )
    return [order[mine] for mine in range(len(ours))]


def _decisions(outputs, ours):
    """The largest class; of one output, whether it is above its middle.

    That is 1/2 of a probability, 0 of a logit, which `ours` tells apart.
    """
    if outputs.shape[-1] > 1:
        return outputs.argmax(-1)
    return outputs > (0.5 if ours.min() >= 0 and ours.max() <= 1 else 0)


def _difference(ours, theirs):
    """The largest difference, relative to the largest output but zero."""
    return float(abs(ours - theirs).max() / (abs(ours).max() or 1.0))
