"""Keras layers that know no genotype."""
