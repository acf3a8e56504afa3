"""Cells with the wiring of a known genotype; operations are searched."""

from __future__ import annotations

from collections.abc import Sequence

from nasnet_keras import checks
from nasnet_keras.cells.operations import check_operations
from nasnet_keras.genotypes import Block, Cell, Genotype
from nasnet_keras.search.spaces.nasnet import ROLES, check_blocks
from nasnet_keras.search.spaces.space import SearchSpace, Values


class WiredSpace(SearchSpace):
    """The inputs and the combination of each block are fixed.

    Shared weights learn such a space in a thousand steps: each weight always
    gets the same inputs. If the inputs are searched too, it takes far more.

    Args:
        genotype: `Genotype`, whose wiring the cells take.
        operations: Sequence of operation names.
        blocks: Optional integer, the number of blocks to keep, from the
            first. A cell outputs the blocks that the genotype outputs and
            those that no kept block reads; never an input state.

    Raises:
        ValueError: If its cells have fewer blocks, or an operation is unknown.
    """

    def __init__(
        self,
        genotype: Genotype,
        operations: Sequence[str],
        blocks: int | None = None,
    ):
        check_operations(operations)
        limit = min(len(getattr(genotype, role).blocks) for role in ROLES)
        if blocks is None:
            blocks = limit
        if not checks.is_integer(blocks, 1) or blocks > limit:
            raise ValueError(
                f"`blocks` must be 1 to {limit}, those of the genotype. "
                f"Received: blocks={blocks!r}"
            )
        self.blocks = int(blocks)
        self.wiring = {
            role: _cut(getattr(genotype, role), self.blocks) for role in ROLES
        }
        super().__init__(
            (name, operations)
            for role in ROLES
            for number in range(self.blocks)
            for name in self._names(role, number)
        )

    def _names(self, role, number):
        """The names of a block's two decisions; they include its inputs."""
        return [
            f"{role}/{number}/operation_{side}_on_{state}"
            for side, state in enumerate(
                self.wiring[role].blocks[number].inputs
            )
        ]

    def make_cells(self, values: Values) -> list[Cell]:
        """Returns the normal and the reduction cell."""
        return [self._to_cell(role, values) for role in ROLES]

    def _to_cell(self, role, values):
        wiring = self.wiring[role]
        blocks = [
            Block(
                block.inputs,
                [values[name] for name in self._names(role, number)],
                block.combination,
            )
            for number, block in enumerate(wiring.blocks)
        ]
        return Cell(blocks, wiring.concat, wiring.inputs)

    def read_cells(self, genotype: Genotype) -> Values:
        """Returns the operations of a genotype's blocks."""
        values: Values = {}
        for role in ROLES:
            cell = getattr(genotype, role)
            check_blocks(role, cell, self.blocks)
            for number, block in enumerate(cell.blocks):
                values |= zip(self._names(role, number), block.operations)
        return values


def _cut(cell, blocks):
    """Returns a cell's first blocks; it outputs no input state."""
    kept = cell.blocks[:blocks]
    used = {state for block in kept for state in block.inputs}
    made = range(cell.inputs, cell.inputs + blocks)
    concat = [s for s in made if s in cell.concat or s not in used]
    return Cell(kept, concat, cell.inputs)
