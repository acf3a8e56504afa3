"""Chooses the feed for a dataset."""

import numpy as np

from nasnet_keras.training.data.tfrecords import Records
from nasnet_keras.training.feeds.decoding import DecodingFeed, StreamFeed
from nasnet_keras.training.feeds.memory import Feed


def make_feed(dataset, recipe, seed, copies=1):
    """Returns the feed of a dataset's training part.

    Args:
        dataset: `nasnet_keras.training.data.Dataset`.
        recipe: `Recipe`.
        seed: Integer, of order and augmentation.
        copies: Integer, how often each batch repeats the labels.

    Returns:
        A `Feed`.
    """
    images = dataset.train[0]
    if isinstance(images, Records):
        feed_class = StreamFeed
    elif isinstance(images, np.ndarray) and recipe.augmentation != "inception":
        feed_class = Feed
    else:
        feed_class = DecodingFeed
    return feed_class(dataset.train, len(dataset.classes), recipe, seed, copies)
