"""Pictures of cells, searches and trainings.

They need matplotlib (`pip install 'nasnet-keras[plot]'`) and neither a
display nor Keras.
"""

from nasnet_keras.visualize.cells import plot_genotype
from nasnet_keras.visualize.curves import plot_curves, plot_rewards

__all__ = ["plot_curves", "plot_genotype", "plot_rewards"]
