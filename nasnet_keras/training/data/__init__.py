"""Datasets of labelled images with training, validation and test part."""

from nasnet_keras.training.data.dataset import Dataset, load_dataset

__all__ = ["Dataset", "load_dataset"]
