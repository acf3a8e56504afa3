"""The paper's space in any size: two cells of blocks."""

from __future__ import annotations

from collections.abc import Sequence

from nasnet_keras import checks
from nasnet_keras.cells.operations import PAPER_OPERATIONS, check_operations
from nasnet_keras.genotypes import COMBINATIONS, Block, Cell, Genotype
from nasnet_keras.search.spaces.space import SearchSpace, Values

ROLES = ("normal", "reduction")
OUTPUTS = ("unused", "all")
# The paper has 5. At 50 a policy takes seconds to propose a cell.
MOST_BLOCKS = 50


class NASNetSpace(SearchSpace):
    """The search space of the paper: a Normal and a Reduction cell.

    Section 3: each block has two inputs, an operation on each, and a
    combination of the two: 5 decisions a block, first all of the Normal cell,
    then all of the Reduction cell.

    Args:
        blocks: Integer up to 50, B in the paper, for each of the two cells.
        inputs: Integer up to 50, the hidden states that a cell reads.
        operations: Sequence of operation names. Defaults to the 13 of the
            paper.
        combinations: Sequence of combinations, see `Block`. Defaults to the
            paper's two.
        outputs: States that a cell outputs: `"unused"` (those that no block
            reads) or `"all"` (every block, as in NASNet-B).

    Raises:
        ValueError: If an argument is out of range or a name is unknown.
    """

    def __init__(
        self,
        blocks: int = 5,
        inputs: int = 2,
        operations: Sequence[str] = PAPER_OPERATIONS,
        combinations: Sequence[str] = ("add", "concat"),
        outputs: str = "unused",
    ):
        blocks = checks.integer("blocks", blocks, 1, MOST_BLOCKS)
        inputs = checks.integer("inputs", inputs, 1, MOST_BLOCKS)
        check_operations(operations)
        unknown = [c for c in combinations if c not in COMBINATIONS]
        if unknown:
            raise ValueError(
                f"`combinations` must be among {COMBINATIONS}. "
                f"Received: {unknown}"
            )
        if outputs not in OUTPUTS:
            raise ValueError(
                f"`outputs` must be one of {OUTPUTS}. "
                f"Received: outputs={outputs!r}"
            )
        self.blocks = blocks
        self.inputs = inputs
        self.outputs = outputs
        super().__init__(
            decision
            for role in ROLES
            for number in range(blocks)
            for decision in (
                (f"{role}/{number}/input_0", range(inputs + number)),
                (f"{role}/{number}/input_1", range(inputs + number)),
                (f"{role}/{number}/operation_0", operations),
                (f"{role}/{number}/operation_1", operations),
                (f"{role}/{number}/combination", combinations),
            )
        )

    def make_cells(self, values: Values) -> list[Cell]:
        """Returns the normal and the reduction cell."""
        return [self._to_cell(role, values) for role in ROLES]

    def _to_cell(self, role, values):
        def pair(number, kind):
            place = f"{role}/{number}/{kind}"
            return values[f"{place}_0"], values[f"{place}_1"]

        blocks = [
            Block(
                inputs=pair(number, "input"),
                operations=pair(number, "operation"),
                combination=values[f"{role}/{number}/combination"],
            )
            for number in range(self.blocks)
        ]
        concat = range(self.inputs, self.inputs + self.blocks)
        if self.outputs == "unused":
            used = {state for block in blocks for state in block.inputs}
            concat = [state for state in concat if state not in used]
        return Cell(blocks, concat, self.inputs)

    def read_cells(self, genotype: Genotype) -> Values:
        """Returns the values of a genotype's blocks."""
        values = {}
        for role in ROLES:
            cell = getattr(genotype, role)
            check_blocks(role, cell, self.blocks)
            for number, block in enumerate(cell.blocks):
                place = f"{role}/{number}"
                for side in (0, 1):
                    values[f"{place}/input_{side}"] = block.inputs[side]
                    values[f"{place}/operation_{side}"] = block.operations[side]
                values[f"{place}/combination"] = block.combination
        return values


def check_blocks(role: str, cell: Cell, blocks: int) -> None:
    """Raises `ValueError` unless a cell has this number of blocks."""
    if len(cell.blocks) != blocks:
        raise ValueError(
            f"This space has {blocks} blocks a cell. The {role} cell has "
            f"{len(cell.blocks)}."
        )
