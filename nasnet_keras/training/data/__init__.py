"""Labelled images, split three ways."""

from nasnet_keras.training.data.dataset import Dataset, load_dataset

__all__ = ["Dataset", "load_dataset"]
