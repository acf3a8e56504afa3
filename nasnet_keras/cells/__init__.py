"""Cells as Keras layers, and their parts."""

from nasnet_keras.cells.cell import NormalCell, ReductionCell

__all__ = ["NormalCell", "ReductionCell"]
