"""The private modules of Keras that tests use, as in Keras 3.15."""

from keras.src.applications import imagenet_utils, nasnet
from keras.src.legacy.saving import legacy_h5_format
from keras.src.utils import file_utils

__all__ = ["file_utils", "imagenet_utils", "legacy_h5_format", "nasnet"]
