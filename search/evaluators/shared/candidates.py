"""What a space may put into each place of a cell, and a genotype as numbers."""

import dataclasses

import numpy as np

from nasnet_keras.search.oracles.base import random_actions

ROLES = ("normal", "reduction")
SAMPLES = 200


@dataclasses.dataclass(frozen=True)
class CellCandidates:
    """The options of each place in one of the two cells.

    Args:
        inputs: Integer, the input states.
        operations: For each block the options of its left and right side.
        combinations: For each block its options.
        fixed_output: Whether all cells put out the same blocks.
    """

    inputs: int
    operations: tuple
    combinations: tuple
    fixed_output: bool

    @property
    def blocks(self):
        """The number of blocks."""
        return len(self.operations)

    @property
    def length(self):
        """The numbers that encode a cell: five a block, a mask of blocks."""
        return 6 * self.blocks

    def encode(self, cell):
        """Returns a cell as integers: inputs, operations and combination of
        each block, then which blocks are put out.

        Raises:
            ValueError: If the cell is none of these.
        """
        if cell.inputs != self.inputs or len(cell.blocks) > self.blocks:
            raise ValueError(f"Not a cell of this space: {cell!r}")
        if min(cell.concat) < self.inputs:
            raise ValueError(
                "Shared weights hold cells that put out blocks alone. "
                f"Received: {cell!r}"
            )
        numbers = np.zeros(self.length, "int32")
        for place, block in enumerate(cell.blocks):
            options = [*self.operations[place], self.combinations[place]]
            taken = [*block.operations, block.combination]
            for name, known in zip(taken, options):
                if name not in known:
                    raise ValueError(
                        f"Block {place} has no {name!r} in this space, but "
                        f"{', '.join(known)}."
                    )
            chosen = [known.index(name) for name, known in zip(taken, options)]
            numbers[5 * place : 5 * place + 5] = [*block.inputs, *chosen]
        for state in cell.concat:
            numbers[5 * self.blocks + state - self.inputs] = 1
        return numbers


@dataclasses.dataclass(frozen=True)
class Candidates:
    """The options of both cells.

    Args:
        normal, reduction: `CellCandidates`.
    """

    normal: CellCandidates
    reduction: CellCandidates

    @classmethod
    def of(cls, space):
        """Returns those of a space.

        They are found by looking at its points: at each option of each
        decision, and at random ones.
        """
        first = [0] * len(space.sizes)
        points = [random_actions(space, [0, i]) for i in range(SAMPLES)]
        for place, size in enumerate(space.sizes):
            for option in range(size):
                points.append((*first[:place], option, *first[place + 1 :]))
        genotypes = [space.to_genotype(point) for point in points]
        return cls(
            *(_collect([getattr(g, role) for g in genotypes]) for role in ROLES)
        )

    @property
    def fixed_outputs(self):
        """Whether all cells of a role put out the same blocks."""
        return self.normal.fixed_output and self.reduction.fixed_output

    @property
    def length(self):
        """The numbers that encode a genotype."""
        return self.normal.length + self.reduction.length

    def encode(self, genotype):
        """Returns a genotype as an int32 array `(length,)`."""
        return np.concatenate(
            [
                getattr(self, role).encode(getattr(genotype, role))
                for role in ROLES
            ]
        )


def _collect(cells):
    blocks = max(len(cell.blocks) for cell in cells)
    operations = [[set(), set()] for _ in range(blocks)]
    combinations = [set() for _ in range(blocks)]
    for cell in cells:
        for place, block in enumerate(cell.blocks):
            combinations[place].add(block.combination)
            for side in (0, 1):
                operations[place][side].add(block.operations[side])
    return CellCandidates(
        inputs=cells[0].inputs,
        operations=tuple(
            tuple(tuple(sorted(side)) for side in sides) for sides in operations
        ),
        combinations=tuple(tuple(sorted(names)) for names in combinations),
        fixed_output=len({cell.concat for cell in cells}) == 1,
    )
