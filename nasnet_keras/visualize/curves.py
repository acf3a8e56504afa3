"""Draws curves: the rewards of a search, the epochs of a training."""

import itertools
import math
import numbers
import os
import pathlib
import statistics
from collections.abc import Iterable, Mapping, Sequence

from nasnet_keras.visualize.picture import GREY, picture

# Prefix of a measure, its label, its colour.
CURVES = (("", "training", "#1d4ed8"), ("val_", "validation", "#c2410c"))


def plot_rewards(
    rewards: Iterable[float | None],
    path: str | os.PathLike[str],
    baseline: Iterable[float | None] | None = None,
) -> pathlib.Path:
    """Draws the rewards of a search: every trial, their average, the best.

    Args:
        rewards: Sequence of numbers in the order of the trials; None (or NaN)
            for a failed trial.
        path: Where to write the picture; ends in `.png` or `.svg`.
        baseline: Optional rewards of another search, for example a random
            one; only the best so far is drawn.

    Returns:
        `path` as a `pathlib.Path`.

    Raises:
        ImportError: If matplotlib is missing.
        ValueError: If a reward is not a number or `path` ends otherwise.
    """
    path = pathlib.Path(path)
    values = _as_floats(rewards, "rewards")
    others = _as_floats(() if baseline is None else baseline, "baseline")
    with picture(path) as figure:
        figure.set_size_inches(8, 4.5)
        figure.set_layout_engine("constrained")
        axes = figure.add_subplot(xlabel="trial", ylabel="reward")
        axes.set_xlim(0, max(len(values), len(others)) + 1)
        _style(axes)
        _draw_trials(axes, values)
        _draw_best(axes, values, "best so far", "#c2410c")
        _draw_best(axes, others, "baseline's best", "#9aa1ac", zorder=1.9)
        if not _finished(values + others)[0]:
            axes.set_yticks([])
        if axes.lines:
            figure.legend(
                loc="outside upper center",
                ncols=len(axes.lines),
                frameon=False,
                fontsize=9,
            )
        else:
            axes.text(0.5, 0.5, "no trials yet", color=GREY, ha="center")
    return path


def _style(axes):
    """Whole numbers on the x axis, a light grid, no box."""
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(color="#e5e7eb", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)


def _as_floats(values, argument):
    """Returns the values as floats, None for failed trials."""
    rewards = []
    for trial, value in enumerate(values, 1):
        if value is not None and not isinstance(value, numbers.Real):
            raise ValueError(
                f"`{argument}` must be numbers, or None for a failed trial. "
                f"Received: {value!r} for trial {trial}"
            )
        finished = value is not None and math.isfinite(value)
        rewards.append(float(value) if finished else None)
    return rewards


def _finished(rewards):
    """Returns the numbers of the trials that have a reward, and these."""
    trials = [trial for trial, r in enumerate(rewards, 1) if r is not None]
    return trials, [rewards[trial - 1] for trial in trials]


def _draw_best(axes, rewards, label, color, zorder=2):
    """Draws a step line up to the last trial, even if that one failed."""
    trials, values = _finished(rewards)
    if values:
        best = [*itertools.accumulate(values, max)]
        axes.step(
            [*trials, len(rewards)],
            [*best, best[-1]],
            where="post",
            color=color,
            linewidth=1.8,
            zorder=zorder,
            label=f"{label} ({best[-1]:.4g})",
        )


def _draw_trials(axes, rewards):
    """Draws the rewards, their moving average, and which trials failed."""
    trials, values = _finished(rewards)
    failed = [trial for trial, r in enumerate(rewards, 1) if r is None]
    if values:
        window = max(5, len(values) // 20)
        means = [
            statistics.fmean(values[max(0, end - window) : end])
            for end in range(1, len(values) + 1)
        ]
        size = 5 if len(values) < 300 else 3
        dots = {"color": "#4a86c0", "alpha": 0.6, "markeredgewidth": 0}
        axes.plot(trials, values, "o", ms=size, zorder=3, label="trial", **dots)
        axes.plot(trials, means, color="#1e3a8a", label=f"average of {window}")
    if failed:  # On the x axis, independent of the range of the y axis.
        x_axis = {"transform": axes.get_xaxis_transform(), "clip_on": False}
        label = f"failed ({len(failed)})"
        axes.plot(
            failed, [0] * len(failed), "x", c="#b91c1c", label=label, **x_axis
        )


def plot_curves(
    rows: Sequence[Mapping[str, float]], path: str | os.PathLike[str]
) -> pathlib.Path:
    """Draws loss and accuracy of a training by epoch, and of its validation.

    Args:
        rows: List of dictionaries, one per epoch: `epoch`, `loss`,
            `accuracy` (with an auxiliary head `predictions_accuracy`), and
            the same of the validation with the prefix `val_`.
        path: Where to write the picture; ends in `.png` or `.svg`.

    Returns:
        `path` as a `pathlib.Path`.
    """
    path = pathlib.Path(path)
    epochs = [row["epoch"] for row in rows]
    with picture(path) as figure:
        figure.set_size_inches(9, 3.6)
        figure.set_layout_engine("constrained")
        for axes, measure in zip(figure.subplots(1, 2), ("loss", "accuracy")):
            axes.set(xlabel="epoch", ylabel=measure)
            _style(axes)
            for prefix, label, color in CURVES:
                values = [_measured(row, prefix, measure) for row in rows]
                if None not in values:
                    axes.plot(
                        epochs,
                        values,
                        marker="o",
                        ms=3,
                        color=color,
                        label=f"{label} ({values[-1]:.4g})",
                    )
            axes.legend(frameon=False, fontsize=9)
    return path


def _measured(row, prefix, measure):
    """The value of the classifier; with one output it has no prefix."""
    names = (f"{prefix}predictions_{measure}", f"{prefix}{measure}")
    return next((row[name] for name in names if name in row), None)
