"""Cells as Keras layers, and what they are made of."""

from nasnet_keras.cells.cell import NormalCell, ReductionCell

__all__ = ["NormalCell", "ReductionCell"]
