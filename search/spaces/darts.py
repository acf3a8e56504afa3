"""The space of DARTS: four blocks, each reads two different states."""

from __future__ import annotations

import itertools

from nasnet_keras.genotypes import Block, Cell, Genotype
from nasnet_keras.search.spaces.nasnet import ROLES, check_blocks
from nasnet_keras.search.spaces.space import SearchSpace, Values

# quark0/darts `cnn/genotypes.py`, without "none", which DARTS
# leaves out of its final cells.
OPERATIONS = (
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_sep_conv_3x3",
    "dil_sep_conv_5x5",
)
BLOCKS = 4


class DARTSSpace(SearchSpace):
    """Liu et al. 2019 (arXiv 1806.09055): blocks of two different states.

    Blocks add; a cell outputs all of them. The two states that a block reads
    are one decision, written `"0,1"`.
    """

    def __init__(self):
        super().__init__(
            decision
            for role in ROLES
            for number in range(BLOCKS)
            for decision in (
                (f"{role}/{number}/inputs", _pairs(2 + number)),
                (f"{role}/{number}/operation_0", OPERATIONS),
                (f"{role}/{number}/operation_1", OPERATIONS),
            )
        )

    def make_cells(self, values: Values) -> list[Cell]:
        """Returns the normal and the reduction cell."""
        return [self._to_cell(role, values) for role in ROLES]

    @staticmethod
    def _to_cell(role, values):
        blocks = []
        for number in range(BLOCKS):
            place = f"{role}/{number}"
            inputs = map(int, values[f"{place}/inputs"].split(","))
            operations = [values[f"{place}/operation_{i}"] for i in (0, 1)]
            blocks.append(Block(inputs, operations))
        return Cell(blocks, range(2, 2 + BLOCKS))

    def read_cells(self, genotype: Genotype) -> Values:
        """Returns the values of a genotype's blocks."""
        values = {}
        for role in ROLES:
            cell = getattr(genotype, role)
            check_blocks(role, cell, BLOCKS)
            for number, block in enumerate(cell.blocks):
                place = f"{role}/{number}"
                sides = sorted(zip(block.inputs, block.operations))
                inputs, operations = zip(*sides)
                values[f"{place}/inputs"] = "{},{}".format(*inputs)
                values[f"{place}/operation_0"] = operations[0]
                values[f"{place}/operation_1"] = operations[1]
        return values


def _pairs(states):
    return [f"{a},{b}" for a, b in itertools.combinations(range(states), 2)]
