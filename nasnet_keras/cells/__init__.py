"""From a genotype's cell to a Keras layer."""

from nasnet_keras.cells.cell import NormalCell, ReductionCell

__all__ = ["NormalCell", "ReductionCell"]
