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
) -> dict[str, Any]:
    """Runs a file and the model on images.

    Args:
        model: `keras.Model` in single precision.
        path: Path of the file or folder.
        format: A key of `FORMATS`.
        precision: `"float32"` must agree to 1e-4 of the largest output; of
            others the difference is reported.
        images: Array of images as the model takes them.

    Returns:
        Dictionary: `compared`, whether it was; `images`; `largest_difference`,
        relative to the largest output; `same_predictions`, the part of the
        images whose largest class is the same.

    Raises:
        ExportError: If an output is missing, not finite, or in single
            precision differs.
    """
    if not can_run(format):
        return {"compared": False, "reason": "Core ML runs on a Mac alone"}
    run = open_file(path, format)
    ours: list[list[np.ndarray]] = []
    theirs: list[list[np.ndarray]] = []
    for first in range(0, len(images), BATCH):
        # One size of batch: runtimes prepare for each size anew.
        part = np.resize(
            images[first : first + BATCH], (BATCH, *images.shape[1:])
        )
        count = min(BATCH, len(images) - first)
        expected = keras.tree.flatten(model(part, training=False))
        expected = [keras.ops.convert_to_numpy(x) for x in expected]
        ours.append([x[:count] for x in expected])
        theirs.append([x[:count] for x in _matched(expected, run(part), path)])
    pairs = [
        (np.concatenate(a).astype("float64"), np.concatenate(b))
        for a, b in zip(zip(*ours), zip(*theirs))
    ]
    # NumPy's maximum, unlike Python's, is NaN if one of them is.
    difference = float(np.max([_difference(a, b) for a, b in pairs]))
    wrong = precision == "float32" and difference > CLOSE
    if wrong or not np.isfinite(difference):
        raise ExportError(
            f"{pathlib.Path(path).name} does not compute what the model "
            f"computes: its outputs differ by {difference:.2g} of the largest "
            f"(at most {CLOSE:g}). Nothing was written."
        )
    same = [(_decisions(a, a) == _decisions(b, a)).mean() for a, b in pairs]
    return {
        "compared": True,
        "images": len(images),
        "largest_difference": difference,
        "same_predictions": float(min(same)),
    }


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


def _matched(expected, found, path):
    """The outputs of a runtime in the order of the model's.

    Some formats have an order of their own.
    """
    left = [np.asarray(x, "float64") for x in found]
    ordered = []
    for one in expected:
        same = [x for x in left if x.shape == one.shape]
        if not same:
            shapes = [x.shape for x in found]
            raise ExportError(
                f"{pathlib.Path(path).name} has no output of shape "
                f"{one.shape}, but {shapes}. Nothing was written."
            )
        nearest = min(same, key=lambda x: abs(x - one).sum())
        left = [x for x in left if x is not nearest]
        ordered.append(nearest)
    return ordered
