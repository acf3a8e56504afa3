"""Cells that are wired as a known one; their operations are searched."""

from nasnet_keras.cells.operations import check_operations
from nasnet_keras.genotypes import Block, Cell
from nasnet_keras.search.spaces.nasnet import ROLES, check_blocks
from nasnet_keras.search.spaces.space import SearchSpace


class WiredSpace(SearchSpace):
    """What each block reads and how it combines is given.

    Shared weights learn such a space in a thousand steps: a weight sees ever
    the same states. Where blocks read what they like it takes far more.

    Args:
        genotype: `Genotype`, whose wiring the cells take.
        operations: Sequence of operation names.
        blocks: Optional integer: only so many blocks of its cells. Those that
            no other reads, and those that it puts out, are put out; its input
            states are not.

    Raises:
        ValueError: If its cells have fewer blocks, or an operation is unknown.
    """

    def __init__(self, genotype, operations, blocks=None):
        check_operations(operations)
        most = min(len(getattr(genotype, role).blocks) for role in ROLES)
        self.blocks = most if blocks is None else blocks
        if not 1 <= self.blocks <= most:
            raise ValueError(
                f"`blocks` must be 1 to {most}, those of the genotype. "
                f"Received: blocks={blocks!r}"
            )
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
        """Those of a block's two decisions; they tell what it reads."""
        return [
            f"{role}/{number}/operation_{side}_on_{state}"
            for side, state in enumerate(
                self.wiring[role].blocks[number].inputs
            )
        ]

    def make_cells(self, values):
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

    def read_cells(self, genotype):
        """Returns the operations of a genotype's blocks."""
        values = {}
        for role in ROLES:
            cell = getattr(genotype, role)
            check_blocks(role, cell, self.blocks)
            for number, block in enumerate(cell.blocks):
                values |= zip(self._names(role, number), block.operations)
        return values


def _cut(cell, blocks):
    """A cell's first blocks; without input states in what it puts out."""
    kept = cell.blocks[:blocks]
    used = {state for block in kept for state in block.inputs}
    made = range(cell.inputs, cell.inputs + blocks)
    concat = [s for s in made if s in cell.concat or s not in used]
    return Cell(kept, concat, cell.inputs)
