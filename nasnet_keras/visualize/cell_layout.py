"""Positions of the parts of a drawn cell: geometry, without matplotlib.

A cell is laid out in rows, by depth: its inputs, the blocks that read only
these, and so on up to the output. An arrow that skips rows has a lane of its
own in each of them, so that it crosses no box.
"""

import collections
import itertools
from random import Random
from typing import Any, NamedTuple

from nasnet_keras.genotypes import Cell

# The label on the box of an operation, and its kind. Operations that are not
# listed show their name; their kind is "custom".
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
    "max_pool_2x2": ("max 2x2", "max"),
    "bottleneck_conv_3x3": ("conv 3x3 /4", "conv"),
    "bottleneck_conv_1x7_7x1": ("conv 1x7-7x1 /4", "conv"),
    "dil_sep_conv_3x3": ("dil sep 3x3", "dil"),
    "dil_sep_conv_5x5": ("dil sep 5x5", "dil"),
    "skip_connect": ("skip", "identity"),
    "factorized_identity": ("identity", "identity"),
    "none": ("none", "identity"),
    "linear_conv_1x1": ("linear 1x1", "conv"),
    "layer_norm": ("layer norm", "identity"),
    "instance_norm": ("inst. norm", "identity"),
}
# The label on the node that combines a block's operations.
COMBINATION_LABELS = {
    "add_layer_norm": "add, LN",
    "add_instance_norm": "add, IN",
}
# Sizes in inches: width and height of boxes, distances between them.
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
    """Positions of the parts of a cell, in inches.

    Args:
        boxes: Dictionary of `Box`. Its keys are the states (a block's is the
            node that combines its operations), pairs (state, 0 or 1) for the
            operations of a block, `"concat"` and `"output"`.
        arrows: List of pairs: the state that is read, and the points through
            which the arrow runs up to its reader.
    """

    boxes: dict[Any, Box]
    arrows: list[tuple[int, tuple[tuple[float, float], ...]]]

    @property
    def bounds(self) -> tuple[float, float, float]:
        """The smallest and largest x and the largest y; the smallest is 0."""
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
    """Returns the width of each state and, last, of the output."""
    widths = [STATE[0]] * cell.inputs
    for block in cell.blocks:
        widths.append(sum(map(_operation_width, block.operations)) + PAD)
    return [*widths, max(STATE[0], 0.17 * len(cell.concat))]


def _rows(cell):
    """Returns for each row a dict: node -> the nodes it reads, one row below.

    A node is a state, by its number, or the output, whose number is the next.
    In a lane, a node reads itself.
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


def _disorder(rows):
    """Returns how many arrows cross, and how far they run sideways."""
    crossings, run = 0, 0
    for below, row in itertools.pairwise(rows):
        position = {node: index for index, node in enumerate(below)}
        shift = (len(below) - len(row)) / 2
        links = [
            (position[source], index)
            for index, sources in enumerate(row.values())
            for source in sources
        ]
        run += sum(abs(start - end - shift) for start, end in links)
        for (a, b), (c, d) in itertools.combinations(links, 2):
            crossings += (a - c) * (b - d) < 0
    return crossings, run


def _improve(rows):
    """Swaps neighbours in the rows as long as the disorder decreases."""
    best, improved = _disorder(rows), True
    while improved:
        improved = False
        for number in range(1, len(rows)):
            for left in range(len(rows[number]) - 1):
                order = list(rows[number])
                order[left : left + 2] = order[left + 1], order[left]
                trial = [*rows]
                trial[number] = {node: rows[number][node] for node in order}
                disorder = _disorder(trial)
                if disorder < best:
                    rows, best, improved = trial, disorder, True
    return rows


def _order(rows):
    """Orders the rows: the best of many random starts; the inputs stay."""
    random = Random(0)
    starts = min(100, 3000 // sum(map(len, rows)))  # Takes seconds at most.

    def shuffled(row):
        return {node: row[node] for node in random.sample(list(row), len(row))}

    trials = [rows]
    for _ in range(starts):
        trials.append([rows[0], *map(shuffled, rows[1:])])
    return min(map(_improve, trials), key=_disorder)


def _spread(wanted, offsets):
    """Returns positions at least as far apart as `offsets`, as near as
    possible to `wanted` (least squares; isotonic regression by pooling
    neighbours that are too close)."""
    pools = []
    for want, offset in zip(wanted, offsets):
        pools.append((want - offset, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (a, m), (b, n) = pools.pop(), pools.pop()
            pools.append(((a * m + b * n) / (m + n), m + n))
    means = [mean for mean, count in pools for _ in range(count)]
    return [mean + offset for mean, offset in zip(means, offsets)]


def _offsets(row, widths):
    """Returns the least distance of each node of a row from the first."""
    half = [0 if _is_lane(row, node) else widths[node] / 2 for node in row]
    steps = [left + right + GAP for left, right in itertools.pairwise(half)]
    return list(itertools.accumulate(steps, initial=0))


def _links(rows):
    """Returns the links of each node: (row, node) -> [(row, node, weight)]."""
    links = collections.defaultdict(list)
    for number, row in enumerate(rows):
        for node, sources in row.items():
            weight = 4 if _is_lane(row, node) else 1  # Lanes are straight.
            for source in sources:
                links[number, node].append((number - 1, source, weight))
                links[number - 1, source].append((number, node, weight))
    for node in rows[0]:  # Keeps an input that nothing reads near the others.
        links[0, node] += [(0, other, 0.01) for other in rows[0]]
    return links


def _columns(rows, widths, sweeps=20):
    """Returns for each row a dict from node to x, near the linked nodes.

    Sweeps up and down, as in layered graph drawing: each row in turn moves
    near to the rows below and above.
    """
    links, offsets = _links(rows), [_offsets(row, widths) for row in rows]
    columns = [dict(zip(row, xs)) for row, xs in zip(rows, offsets)]
    numbers = [*range(len(rows)), *reversed(range(len(rows)))] * sweeps
    for number in numbers:
        column, wanted = columns[number], []
        for node in column:
            ends = links[number, node]
            total = sum(columns[r][other] * weight for r, other, weight in ends)
            wanted.append(total / sum(weight for *_, weight in ends))
        columns[number] = dict(zip(column, _spread(wanted, offsets[number])))
    return columns


def _levels(rows, columns):
    """Returns the y of bottom and top of each row."""
    levels = [(0, STATE[1])]
    for number, row in enumerate(rows[1:], 1):
        runs = [
            abs(columns[number][node] - columns[number - 1][source])
            for node, sources in row.items()
            for source in sources
        ]
        # The further arrows run sideways, the more height they get.
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
    """Returns the two operations, in the order of their inputs in the row
    `below`, and above them the node that combines them."""
    block = cell.blocks[node - cell.inputs]
    boxes, left = {}, x - width / 2
    for side in sorted((0, 1), key=lambda side: below[block.inputs[side]]):
        name = block.operations[side]
        size = _operation_width(name), OPERATION[1]
        center = left + size[0] / 2, bottom + size[1] / 2
        boxes[node, side] = Box(*center, *size, *_label(name))
        left += size[0] + PAD
    y = bottom + OPERATION[1] + RISE + COMBINATION[1] / 2
    label = COMBINATION_LABELS.get(block.combination, block.combination)
    boxes[node] = Box(x, y, *COMBINATION, label, "combination")
    return boxes


def _ends(cell, boxes, below):
    """Yields for each arrow the state read and the end point."""
    for node, block in enumerate(cell.blocks, cell.inputs):
        for side, source in enumerate(block.inputs):
            box = boxes[node, side]
            yield source, (box.x, box.y - box.height / 2)
    box = boxes["concat"]
    step = box.width / len(cell.concat)
    for index, source in enumerate(sorted(cell.concat, key=below.get)):
        x = box.x - box.width / 2 + step * (index + 0.5)
        yield source, (x, box.y - box.height / 2)


def _route(source, end, columns, levels):
    """Returns the points of an arrow, through its lanes, to `end`."""
    passed = [
        (column[source], level)
        for column, level in zip(columns, levels)
        if source in column and level[1] < end[1]
    ]
    (start, (_, top)), *lanes = passed
    return (start, top), *((x, y) for x, level in lanes for y in level), end


def layout(cell: Cell) -> Layout:
    """Lays out a cell in rows, by depth; arrows point upward.

    Args:
        cell: `nasnet_keras.Cell`.

    Returns:
        `Layout`, in which no box overlaps another and no arrow crosses one.
    """
    rows, widths = _order(_rows(cell)), _widths(cell)
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
