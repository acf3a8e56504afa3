"""Pictures: the cells of a genotype, and the rewards of a search.

They need matplotlib (`pip install 'nasnet-keras[plot]'`) and neither a
display nor Keras.
"""

import contextlib
import io
import itertools
import math
import numbers
import pathlib
import statistics

from nasnet_keras.genotypes import Genotype
from nasnet_keras.runs.files import write_atomically
from nasnet_keras.visualize.cell_layout import layout

# Fill and outline of a kind of box.
COLORS = {
    "sep": ("#cfe3f7", "#4a86c0"),
    "dil": ("#c9ece8", "#2f968a"),
    "conv": ("#e2d8f4", "#8265b8"),
    "avg": ("#d5edcf", "#5c9a4b"),
    "max": ("#fde0c2", "#d2832d"),
    "identity": ("#f3f4f6", "#9aa1ac"),
    "custom": ("#fdeeb5", "#c09a18"),
    "state": ("#ffffff", "#9aa1ac"),
    "combination": ("#4b5563", "#4b5563"),
}
INPUT_COLORS = ("#1d4ed8", "#c2410c", "#0f766e", "#9333ea")
INK, GREY = "#111827", "#6b7280"
# Prefix of a measure, what it is called, its colour.
CURVES = (("", "training", "#1d4ed8"), ("val_", "validation", "#c2410c"))


@contextlib.contextmanager
def _picture(path):
    """Gives an empty figure; writes it when the block ends without error.

    The user's matplotlib settings and pyplot's state play no part. The file
    is replaced in one step, so that it is never half-written.
    """
    suffix = path.suffix.lower()
    if suffix not in (".png", ".svg"):
        raise ValueError(
            "`path` of a picture must end in '.png' or '.svg'. Received the "
            f"suffix {path.suffix!r} in path={str(path)!r}"
        )
    try:
        import matplotlib.style
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "Pictures need matplotlib: pip install 'nasnet-keras[plot]'"
        ) from error
    same_bytes = {"svg.hashsalt": "nasnet-keras", "svg.fonttype": "none"}
    with matplotlib.style.context(["default", same_bytes]):
        figure = Figure(dpi=160)
        yield figure
        picture = io.BytesIO()
        figure.savefig(
            picture,
            format=suffix[1:],
            metadata={"Date": None} if suffix == ".svg" else None,
        )
    write_atomically(path, picture.getvalue())


def plot_genotype(genotype, path):
    """Draws the cells of a genotype as in the paper (1707.07012, figure 4).

    Args:
        genotype: `nasnet_keras.Genotype`.
        path: Where to write the picture; ends in `.png` or `.svg`.

    Returns:
        `path` as a `pathlib.Path`.

    Raises:
        ImportError: If matplotlib is missing.
        ValueError: If `genotype` is something else or `path` ends otherwise.
    """
    if not isinstance(genotype, Genotype):
        raise ValueError(
            f"`genotype` must be a Genotype. Received: genotype={genotype!r}"
        )
    path = pathlib.Path(path)
    prefix = f"{genotype.name}  ·  " if genotype.name else ""
    with _picture(path) as figure:
        _draw_cells(
            figure,
            {
                f"{prefix}Normal cell": layout(genotype.normal),
                f"{prefix}Reduction cell": layout(genotype.reduction),
            },
        )
    return path


def _draw_cells(figure, layouts, margin=0.35, below=0.6):
    """Draws the layouts side by side, to scale, each above its caption."""
    bounds = [one.bounds for one in layouts.values()]
    widths = [  # A narrow cell still has room for its caption.
        2 * margin + max(right - left, 0.12 * len(caption))
        for (left, right, _), caption in zip(bounds, layouts)
    ]
    height = below + max(top for _, _, top in bounds) + margin
    figure.set_size_inches(sum(widths), height)
    start = 0
    for (caption, one), (left, right, _), width in zip(
        layouts.items(), bounds, widths
    ):
        share = width / sum(widths)
        middle = (left + right) / 2
        axes = figure.add_axes(
            (start, 0, share, 1),
            xlim=(middle - width / 2, middle + width / 2),
            ylim=(-below, height - below),
        )
        axes.set_axis_off()
        _draw_cell(axes, one)
        _write(axes, middle, -0.6 * below, caption, fontsize=13, weight="bold")
        start += share


def _draw_cell(axes, one):
    read = {source for source, _ in one.arrows}
    colors = {
        key: INPUT_COLORS[key % len(INPUT_COLORS)]
        for key, box in one.boxes.items()
        if key in read and box.kind == "state"
    }
    colors["output"] = INK
    for source, points in one.arrows:
        _draw_arrow(axes, points, colors.get(source, GREY))
    ends = one.boxes["concat"], one.boxes["output"]
    _draw_arrow(axes, [(box.x, box.y - box.height / 2) for box in ends], INK)
    for key, box in one.boxes.items():
        if isinstance(key, tuple):
            _draw_join(axes, box, one.boxes[key[0]])
        _draw_box(axes, box, colors.get(key, COLORS[box.kind][1]))


def _draw_arrow(axes, points, color):
    """Draws an arrow that is vertical at each of its points."""
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    curve = [points[0]]
    for (x, y), (next_x, next_y) in itertools.pairwise(points):
        middle = (y + next_y) / 2
        curve += [(x, middle), (next_x, middle), (next_x, next_y)]
    codes = [Path.MOVETO, *[Path.CURVE4] * (len(curve) - 1)]
    axes.add_patch(
        FancyArrowPatch(
            path=Path(curve, codes),
            arrowstyle="-|>,head_length=4,head_width=2",
            mutation_scale=1,
            linewidth=1.2,
            color=color,
        )
    )


def _draw_join(axes, box, node):
    """Draws a line from an operation up, then into the side of its node."""
    x, y = (box.x, box.x, node.x), (box.y, node.y, node.y)
    axes.plot(x, y, color=GREY, linewidth=1.2, zorder=1)


def _draw_box(axes, box, outline):
    from matplotlib.patches import FancyBboxPatch

    round_ends = box.kind == "combination"
    radius = box.height / 2 if round_ends else 0.06
    axes.add_patch(
        FancyBboxPatch(
            (box.x - box.width / 2, box.y - box.height / 2),
            box.width,
            box.height,
            boxstyle=f"round,pad=0,rounding_size={radius}",
            facecolor=COLORS[box.kind][0],
            edgecolor=outline,
            linewidth=1.2,
            zorder=2,
        )
    )
    _write(
        axes,
        box.x,
        box.y,
        box.label,
        fontsize=9 if round_ends else 10,
        color="white" if round_ends else INK,
        parse_math=box.kind == "state",
    )


def _write(axes, x, y, text, color=INK, parse_math=False, **kwargs):
    axes.text(
        x,
        y,
        text,
        color=color,
        parse_math=parse_math,  # A name may contain a dollar sign.
        ha="center",
        va="center_baseline",
        **kwargs,
    )


def plot_rewards(rewards, path, baseline=None):
    """Draws how a search went: every trial, the trend, the best so far.

    Args:
        rewards: Sequence of numbers in the order of the trials; None (or NaN)
            is a trial that failed.
        path: Where to write the picture; ends in `.png` or `.svg`.
        baseline: Optional sequence like `rewards`, of another search (random
            search, say), of which only the best so far is drawn.

    Returns:
        `path` as a `pathlib.Path`.

    Raises:
        ImportError: If matplotlib is missing.
        ValueError: If a reward is not a number or `path` ends otherwise.
    """
    path = pathlib.Path(path)
    rewards = _checked(rewards, "rewards")
    baseline = _checked(() if baseline is None else baseline, "baseline")
    with _picture(path) as figure:
        figure.set_size_inches(8, 4.5)
        figure.set_layout_engine("constrained")
        axes = figure.add_subplot(xlabel="trial", ylabel="reward")
        axes.set_xlim(0, max(len(rewards), len(baseline)) + 1)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(color="#e5e7eb", linewidth=0.8)
        axes.spines[["top", "right"]].set_visible(False)
        _draw_trials(axes, rewards)
        _draw_best(axes, rewards, "best so far", "#c2410c")
        _draw_best(axes, baseline, "baseline's best", "#9aa1ac", zorder=1.9)
        if not _finished(rewards + baseline)[0]:
            axes.set_yticks([])
        if axes.lines:
            place = {"loc": "outside upper center", "ncols": len(axes.lines)}
            figure.legend(**place, frameon=False, fontsize=9)
        else:
            axes.text(0.5, 0.5, "no trials yet", color=GREY, ha="center")
    return path


def _checked(values, argument):
    """Returns the values as floats, None for what failed."""
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
    """Returns the trials that gave a reward, and their rewards."""
    trials = [trial for trial, r in enumerate(rewards, 1) if r is not None]
    return trials, [rewards[trial - 1] for trial in trials]


def _draw_best(axes, rewards, label, color, zorder=2):
    """Draws a step line up to the last trial, whether that failed or not."""
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
    if failed:  # On the x axis, whatever the range of the y axis.
        x_axis = {"transform": axes.get_xaxis_transform(), "clip_on": False}
        label = f"failed ({len(failed)})"
        axes.plot(
            failed, [0] * len(failed), "x", c="#b91c1c", label=label, **x_axis
        )


def plot_curves(rows, path):
    """Draws a training: loss and accuracy by epoch, the validation's too.

    Args:
        rows: List of dictionaries, one per epoch: `epoch`, `loss`,
            `accuracy` (with the auxiliary head `predictions_accuracy`), and
            with `val_` before them the validation's.
        path: Where to write the picture; ends in `.png` or `.svg`.

    Returns:
        `path` as a `pathlib.Path`.
    """
    path = pathlib.Path(path)
    epochs = [row["epoch"] for row in rows]
    with _picture(path) as figure:
        figure.set_size_inches(9, 3.6)
        figure.set_layout_engine("constrained")
        for axes, measure in zip(figure.subplots(1, 2), ("loss", "accuracy")):
            axes.set(xlabel="epoch", ylabel=measure)
            axes.xaxis.get_major_locator().set_params(integer=True)
            axes.grid(color="#e5e7eb", linewidth=0.8)
            axes.spines[["top", "right"]].set_visible(False)
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
    """The value of the network's own classifier, else the only one."""
    names = (f"{prefix}predictions_{measure}", f"{prefix}{measure}")
    return next((row[name] for name in names if name in row), None)
