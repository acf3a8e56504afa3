"""Pictures: the cells of a genotype, and the rewards of a search.

They need matplotlib (`pip install 'nasnet-keras[plot]'`) and neither a
display nor Keras. `layout` alone, which says where everything of a cell is
drawn, needs nothing.

A cell is laid out in rows, by depth: its inputs, the blocks that read only
these, and so on up to the output. A state that is read further up passes the
rows between in a lane of its own, so that no arrow runs over a box.
"""

import collections
import contextlib
import itertools
import math
import numbers
import os
import pathlib
import statistics
import uuid
from random import Random
from typing import NamedTuple

from nasnet_keras.genotypes import Genotype

# What is written on the box of an operation, and its kind. An operation that
# is not listed has its own name, and the kind "custom".
LABELS = {
    "identity": ("identity", "identity"),
    "conv_1x3_3x1": ("conv 1x3-3x1", "conv"),
    "conv_1x7_7x1": ("conv 1x7-7x1", "conv"),
    "dil_conv_3x3": ("dil 3x3", "dil"),
    "avg_pool_3x3": ("avg 3x3", "avg"),
    "max_pool_3x3": ("max 3x3", "max"),
    "max_pool_5x5": ("max 5x5", "max"),
    "max_pool_7x7": ("max 7x7", "max"),
    "conv_1x1": ("conv 1x1", "conv"),
    "conv_3x3": ("conv 3x3", "conv"),
    "sep_conv_3x3": ("sep 3x3", "sep"),
    "sep_conv_5x5": ("sep 5x5", "sep"),
    "sep_conv_7x7": ("sep 7x7", "sep"),
}
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

# Inches: width and height of boxes, the distances between them.
OPERATION, STATE, COMBINATION = (0.80, 0.30), (0.60, 0.30), (0.60, 0.22)
GAP, PAD, RISE, CHARACTER = 0.26, 0.08, 0.20, 0.084


class Box(NamedTuple):
    """A labelled rectangle around (`x`, `y`), in inches."""

    x: float
    y: float
    width: float
    height: float
    label: str
    kind: str


class Layout(NamedTuple):
    """Where the parts of a cell are drawn, in inches.

    Args:
        boxes: Dictionary of `Box`. Its keys are the states (a block's is the
            node that combines its operations), pairs (state, 0 or 1) for the
            operations of a block, `"concat"` and `"output"`.
        arrows: List of pairs: the state that is read, and the points that the
            arrow passes on its way up to the reader.
    """

    boxes: dict
    arrows: list

    @property
    def bounds(self):
        """The least and the greatest x, and the greatest y; the least is 0."""
        boxes = self.boxes.values()
        lanes = [x for _, points in self.arrows for x, _ in points]
        left = min([*lanes, *(box.x - box.width / 2 for box in boxes)])
        right = max([*lanes, *(box.x + box.width / 2 for box in boxes)])
        return left, right, max(box.y + box.height / 2 for box in boxes)


def _label(operation):
    return LABELS.get(operation, (operation, "custom"))


def _state_name(number):
    """Returns h_i for 0, h_{i-1} for 1, h_{i+1} for -1, as TeX."""
    return f"$h_{{i{-number:+d}}}$" if number else "$h_i$"


def _operation_width(name):
    return max(OPERATION[0], CHARACTER * len(_label(name)[0]) + 2 * PAD)


def _widths(cell):
    """Returns the width that each state, and then the output, takes."""
    widths = [STATE[0]] * cell.inputs
    for block in cell.blocks:
        widths.append(sum(map(_operation_width, block.operations)) + PAD)
    return [*widths, max(STATE[0], 0.17 * len(cell.concat))]


def _rows(cell):
    """Returns a dict per row: what is in it -> what it joins, one row below.

    What is in a row is known by its number among the states; the output has
    the number after the last. In a lane, it joins itself.
    """
    reads = [()] * cell.inputs
    reads += [block.inputs for block in cell.blocks] + [cell.concat]
    depth = []
    for states in reads:
        depth.append(1 + max((depth[state] for state in states), default=-1))
    depth[-1] = max(depth[:-1]) + 1
    rows = [{} for _ in range(depth[-1] + 1)]
    for node in reversed(range(len(reads))):
        readers = [depth[n] for n, states in enumerate(reads) if node in states]
        rows[depth[node]][node] = reads[node]
        for lane in range(depth[node] + 1, max(readers, default=0)):
            rows[lane][node] = (node,)
    return rows


def _is_lane(row, node):
    return row[node] == (node,)


def _tangle(rows):
    """Returns how many arrows cross, then how far they run sideways."""
    crossings, run = 0, 0
    for below, row in itertools.pairwise(rows):
        place = {node: turn for turn, node in enumerate(below)}
        shift = (len(below) - len(row)) / 2
        links = [
            (place[source], turn)
            for turn, sources in enumerate(row.values())
            for source in sources
        ]
        run += sum(abs(start - end - shift) for start, end in links)
        for (a, b), (c, d) in itertools.combinations(links, 2):
            crossings += (a - c) * (b - d) < 0
    return crossings, run


def _untangled(rows):
    """Exchanges neighbours in the rows as long as that helps."""
    best, improved = _tangle(rows), True
    while improved:
        improved = False
        for number in range(1, len(rows)):
            for left in range(len(rows[number]) - 1):
                order = list(rows[number])
                order[left : left + 2] = order[left + 1], order[left]
                trial = [*rows]
                trial[number] = {node: rows[number][node] for node in order}
                tangle = _tangle(trial)
                if tangle < best:
                    rows, best, improved = trial, tangle, True
    return rows


def _ordered(rows):
    """Returns the best of many random starts; the inputs stay as they are."""
    random = Random(0)
    starts = min(100, 3000 // sum(map(len, rows)))  # Seconds at the most.

    def shuffled(row):
        return {node: row[node] for node in random.sample(list(row), len(row))}

    trials = [rows]
    for _ in range(starts):
        trials.append([rows[0], *map(shuffled, rows[1:])])
    return min(map(_untangled, trials), key=_tangle)


def _apart(wanted, offsets):
    """Returns the positions nearest to `wanted` (least squares) that differ
    by at least what `offsets` do: neighbours that would come too close are
    pooled and share their mean."""
    pools = []
    for want, offset in zip(wanted, offsets):
        pools.append((want - offset, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (a, m), (b, n) = pools.pop(), pools.pop()
            pools.append(((a * m + b * n) / (m + n), m + n))
    means = [mean for mean, count in pools for _ in range(count)]
    return [mean + offset for mean, offset in zip(means, offsets)]


def _offsets(row, widths):
    """How far right of the first each of a row must be, to leave the gaps."""
    half = [0 if _is_lane(row, node) else widths[node] / 2 for node in row]
    steps = [left + right + GAP for left, right in itertools.pairwise(half)]
    return list(itertools.accumulate(steps, initial=0))


def _joins(rows):
    """What each node is joined with: (row, node) -> [(row, node, weight)]."""
    joins = collections.defaultdict(list)
    for number, row in enumerate(rows):
        for node, sources in row.items():
            weight = 4 if _is_lane(row, node) else 1  # Lanes are straight.
            for source in sources:
                joins[number, node].append((number - 1, source, weight))
                joins[number - 1, source].append((number, node, weight))
    for node in rows[0]:  # Keeps an input that nothing reads near the others.
        joins[0, node] += [(0, other, 0.01) for other in rows[0]]
    return joins


def _columns(rows, widths, sweeps=20):
    """Returns for each row a dict from node to x, near what it is joined with.

    Sweeps up and down, as in layered graph drawing: each row in turn moves as
    near as it can to the rows beside it.
    """
    joins, offsets = _joins(rows), [_offsets(row, widths) for row in rows]
    columns = [dict(zip(row, xs)) for row, xs in zip(rows, offsets)]
    numbers = [*range(len(rows)), *reversed(range(len(rows)))] * sweeps
    for number in numbers:
        column, wanted = columns[number], []
        for node in column:
            ends = joins[number, node]
            total = sum(columns[r][other] * weight for r, other, weight in ends)
            wanted.append(total / sum(weight for *_, weight in ends))
        columns[number] = dict(zip(column, _apart(wanted, offsets[number])))
    return columns


def _levels(rows, columns):
    """Returns the y of the bottom and of the top of each row."""
    levels = [(0, STATE[1])]
    for number, row in enumerate(rows[1:], 1):
        runs = [
            abs(columns[number][node] - columns[number - 1][source])
            for node, sources in row.items()
            for source in sources
        ]
        # The wider the arrows run, the higher the room for them.
        bottom = levels[-1][1] + 0.45 + min(0.15 * max(runs), 0.75)
        levels.append((bottom, bottom + OPERATION[1] + RISE + COMBINATION[1]))
    return levels


def _input_boxes(node, x, bottom, width):
    y = bottom + STATE[1] / 2
    return {node: Box(x, y, width, STATE[1], _state_name(node), "state")}


def _output_boxes(x, bottom, width):
    y, height = bottom + COMBINATION[1] / 2, COMBINATION[1]
    top = bottom + height + RISE + STATE[1] / 2
    return {
        "concat": Box(x, y, width, height, "concat", "combination"),
        "output": Box(x, top, *STATE, _state_name(-1), "state"),
    }


def _block_boxes(cell, node, x, bottom, width, below):
    """The two operations, in the order in which what they read stands in the
    row `below`, and above them the node that combines them."""
    block = cell.blocks[node - cell.inputs]
    boxes, left = {}, x - width / 2
    for side in sorted((0, 1), key=lambda side: below[block.inputs[side]]):
        name = block.operations[side]
        size = _operation_width(name), OPERATION[1]
        center = left + size[0] / 2, bottom + size[1] / 2
        boxes[node, side] = Box(*center, *size, *_label(name))
        left += size[0] + PAD
    y = bottom + OPERATION[1] + RISE + COMBINATION[1] / 2
    boxes[node] = Box(x, y, *COMBINATION, block.combination, "combination")
    return boxes


def _ends(cell, boxes, below):
    """Yields each state that is read, and the point where its arrow ends."""
    for node, block in enumerate(cell.blocks, cell.inputs):
        for side, source in enumerate(block.inputs):
            box = boxes[node, side]
            yield source, (box.x, box.y - box.height / 2)
    box = boxes["concat"]
    step = box.width / len(cell.concat)
    for turn, source in enumerate(sorted(cell.concat, key=below.get)):
        x = box.x - box.width / 2 + step * (turn + 0.5)
        yield source, (x, box.y - box.height / 2)


def _route(source, end, columns, levels):
    """Returns the points from a state's box, through its lanes, to `end`."""
    passed = [
        (column[source], level)
        for column, level in zip(columns, levels)
        if source in column and level[1] < end[1]
    ]
    (start, (_, top)), *lanes = passed
    return (start, top), *((x, y) for x, level in lanes for y in level), end


def layout(cell):
    """Says where to draw a cell: in rows, by depth; arrows point upward.

    Args:
        cell: `nasnet_keras.genotypes.Cell`.

    Returns:
        A `Layout`. Its boxes do not overlap, and its arrows cross none.
    """
    rows, widths = _ordered(_rows(cell)), _widths(cell)
    columns = _columns(rows, widths)
    levels = _levels(rows, columns)
    boxes = {}
    for number, row in enumerate(rows):
        below = columns[number - 1]
        for node, x in columns[number].items():
            place = x, levels[number][0], widths[node]
            if node == len(widths) - 1:
                boxes.update(_output_boxes(*place))
            elif number == 0:
                boxes.update(_input_boxes(node, *place))
            elif not _is_lane(row, node):
                boxes.update(_block_boxes(cell, node, *place, below))
    arrows = [
        (source, _route(source, end, columns, levels))
        for source, end in _ends(cell, boxes, columns[-2])
    ]
    return Layout(boxes, arrows)


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
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    with matplotlib.style.context(["default", same_bytes]):
        figure = Figure(dpi=160)
        yield figure
        try:
            figure.savefig(
                partial,
                format=suffix[1:],
                metadata={"Date": None} if suffix == ".svg" else None,
            )
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)


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
