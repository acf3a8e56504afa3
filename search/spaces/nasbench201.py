"""The space of NAS-Bench-201: one operation on each of six edges."""

from __future__ import annotations

import csv
import os
import re

from nasnet_keras.genotypes import Block, Cell, Genotype
from nasnet_keras.search.spaces.space import SearchSpace, Values

# The benchmark's name of an operation -> ours.
OPERATIONS = {
    "none": "none",
    "skip_connect": "identity",
    "nor_conv_1x1": "conv_1x1",
    "nor_conv_3x3": "conv_3x3",
    "avg_pool_3x3": "avg_pool_3x3",
}
# From node and to node, in the order of the benchmark's strings.
EDGES = ("0-1", "0-2", "1-2", "0-3", "1-3", "2-3")
# The benchmark reduces by one residual block, which is not searched. Its
# shortcut averages 2x2 pixels before the 1x1; ours takes every second pixel.
REDUCTION = Cell(
    [
        Block((0, 0), ("conv_3x3", "none")),
        Block((1, 0), ("conv_3x3", "conv_1x1")),
    ],
    concat=(2,),
    inputs=1,
)


class NASBench201Space(SearchSpace):
    """Dong and Yang 2020 (arXiv 2001.00326): 5 ** 6 = 15,625 cells.

    A node is the sum of one operation on each node before it. Decisions have
    the benchmark's names of edges and operations.
    """

    def __init__(self):
        super().__init__((edge, tuple(OPERATIONS)) for edge in EDGES)

    def make_cells(self, values: Values) -> tuple[Cell, Cell]:
        """Returns the normal cell and the benchmark's reduction."""
        op = {edge: OPERATIONS[values[edge]] for edge in EDGES}
        blocks = [
            Block((0, 0), (op["0-1"], "none")),
            Block((0, 1), (op["0-2"], op["1-2"])),
            # Node 3 is the sum of three edges: two here, one below.
            Block((0, 1), (op["0-3"], op["1-3"])),
            Block((3, 2), ("identity", op["2-3"])),
        ]
        return Cell(blocks, concat=(4,), inputs=1), REDUCTION

    def read_cells(self, genotype: Genotype) -> Values:
        """Returns the values of a genotype of this form."""
        sides = [
            operation
            for block in genotype.normal.blocks
            for operation in block.operations
        ]
        if len(sides) != 8:
            raise ValueError(
                "A cell of NAS-Bench-201 has 4 blocks here. "
                f"Received: {genotype.normal!r}"
            )
        names = {ours: theirs for theirs, ours in OPERATIONS.items()}
        edges = [sides[i] for i in (0, 2, 3, 4, 5, 7)]
        return {edge: names.get(op, op) for edge, op in zip(EDGES, edges)}


def read_table(
    path: str | os.PathLike[str], column: str = "validation_accuracy"
) -> dict[tuple[str, ...], float]:
    """Reads a table of evaluated cells.

    Args:
        path: Path of a CSV file with the columns `architecture`, which holds
            the benchmark's strings (`|nor_conv_3x3~0|+|...`), and `column`.
        column: String, the column that is the reward.

    Returns:
        Dictionary: tuple of six operations -> float.

    Raises:
        ValueError: If a column is missing or a line has another form.
    """
    with open(path, newline="") as file:
        reader = csv.DictReader(file)
        missing = {"architecture", column} - set(reader.fieldnames or ())
        if missing:
            raise ValueError(
                f"{path} has no column {', '.join(sorted(missing))}. "
                f"It has: {', '.join(reader.fieldnames or ())}"
            )
        table = {}
        for row in reader:
            cell = tuple(re.findall(r"(\w+)~", row["architecture"]))
            if len(cell) != len(EDGES) or not set(cell) <= set(OPERATIONS):
                raise ValueError(
                    f"{path}, line {reader.line_num}: `architecture` is no "
                    f"cell of NAS-Bench-201. Received: {row['architecture']!r}"
                )
            table[cell] = float(row[column])
    return table
