"""Draws the cells of a genotype."""

import itertools
import os
import pathlib

from nasnet_keras.genotypes import Genotype
from nasnet_keras.visualize.cell_layout import layout
from nasnet_keras.visualize.picture import GREY, INK, picture

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


def plot_genotype(
    genotype: Genotype, path: str | os.PathLike[str]
) -> pathlib.Path:
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
    with picture(path) as figure:
        _draw_cells(
            figure,
            {
                f"{prefix}Normal cell": layout(genotype.normal),
                f"{prefix}Reduction cell": layout(genotype.reduction),
            },
        )
    return path


def _draw_cells(figure, layouts, margin=0.35, below=0.6):
    """Draws layouts side by side, on one scale, each with a caption below."""
    bounds = [one.bounds for one in layouts.values()]
    widths = [  # At least as wide as the caption.
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
