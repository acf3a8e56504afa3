"""Cells as plain data: types, the published cells, files."""

from nasnet_keras.genotypes.types import COMBINATIONS, Block, Cell, Genotype

__all__ = ["COMBINATIONS", "Block", "Cell", "Genotype"]
