"""Cells as plain data: what they are, the published ones, their files."""

from nasnet_keras.genotypes.types import COMBINATIONS, Block, Cell, Genotype

__all__ = ["COMBINATIONS", "Block", "Cell", "Genotype"]
