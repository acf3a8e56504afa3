"""Keras layers that do not depend on genotypes."""
