"""The options of each place in a space's cells, and genotypes as integers."""

import dataclasses
from typing import Any

import numpy as np

from nasnet_keras.genotypes import Cell, Genotype
from nasnet_keras.search.spaces import SearchSpace
from nasnet_keras.search.spaces.nasnet import ROLES

SAMPLES = 200


@dataclasses.dataclass(frozen=True)
class CellCandidates:
    """The options of each place in one of the two cells.

    Args:
        inputs: Integer, the number of input states.
        operations: For each block the operations of its left and right side.
        combinations: For each block its combinations.
        fixed_output: Whether all cells output the same blocks.
        fixed_wiring: Whether the blocks of all cells have the same inputs.
    """

    inputs: int
    operations: tuple[tuple[tuple[str, ...], ...], ...]
    combinations: tuple[tuple[str, ...], ...]
    fixed_output: bool
    fixed_wiring: bool

    @property
    def blocks(self) -> int:
        """The number of blocks."""
        return len(self.operations)

    @property
    def length(self) -> int:
        """The length of an encoded cell: 5 integers and 1 flag a block."""
        return 6 * self.blocks

    def encode(self, cell: Cell) -> np.ndarray:
        """Returns a cell as an int32 array `(length,)`.

        For each block: two input states, the indices of two operations and of
        the combination; then for each block whether it is part of the output.

        Raises:
            ValueError: If the cell is not one of these candidates.
        """
        if cell.inputs != self.inputs or len(cell.blocks) > self.blocks:
            raise ValueError(f"Not a cell of this space: {cell!r}")
        if min(cell.concat) < self.inputs:
            raise ValueError(
                "Shared weights take only cells that output no input state. "
                f"Received: {cell!r}"
            )
        numbers = np.zeros(self.length, "int32")
        for place, block in enumerate(cell.blocks):
            options = [*self.operations[place], self.combinations[place]]
            names = [*block.operations, block.combination]
            for name, known in zip(names, options):
                if name not in known:
                    raise ValueError(
                        f"Block {place} must have one of {', '.join(known)} in "
                        f"this space. Received: {name!r}"
                    )
            indices = [known.index(name) for name, known in zip(names, options)]
            numbers[5 * place : 5 * place + 5] = [*block.inputs, *indices]
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
    def of(cls, space: SearchSpace) -> "Candidates":
        """Returns the candidates of a space.

        They are collected from a sample of its points: each option of each
        decision, and random points.
        """
        first = [0] * len(space.sizes)
        points = [
            space.sample(np.random.default_rng([0, i])) for i in range(SAMPLES)
        ]
        for place, size in enumerate(space.sizes):
            for option in range(size):
                points.append((*first[:place], option, *first[place + 1 :]))
        genotypes = [space.to_genotype(point) for point in points]
        return cls(
            *(_collect([getattr(g, role) for g in genotypes]) for role in ROLES)
        )

    @property
    def fixed_outputs(self) -> bool:
        """Whether all cells of a role output the same blocks."""
        return self.normal.fixed_output and self.reduction.fixed_output

    @property
    def fixed_wiring(self) -> bool:
        """Whether the blocks of all cells of a role have the same inputs."""
        return self.normal.fixed_wiring and self.reduction.fixed_wiring

    @property
    def length(self) -> int:
        """The length of an encoded genotype."""
        return self.normal.length + self.reduction.length

    def encode(self, genotype: Genotype) -> np.ndarray:
        """Returns a genotype as an int32 array `(length,)`."""
        return np.concatenate(
            [
                getattr(self, role).encode(getattr(genotype, role))
                for role in ROLES
            ]
        )


def _collect(cells):
    """Returns the candidates that occur in these cells."""
    blocks = max(len(cell.blocks) for cell in cells)
    operations: Any = [[set(), set()] for _ in range(blocks)]
    combinations: Any = [set() for _ in range(blocks)]
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
        fixed_wiring=len({_wiring(cell) for cell in cells}) == 1,
    )


def _wiring(cell):
    return tuple(block.inputs for block in cell.blocks)
