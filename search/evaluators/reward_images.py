"""The images that rewards are measured on."""

import dataclasses

import numpy as np

from nasnet_keras.training.data.dataset import Dataset
from nasnet_keras.training.data.splits import split_by_class, subset_of_part


def with_reward_images(dataset: Dataset, number: int, reached: int) -> Dataset:
    """Returns a dataset whose validation part are the images of the reward.

    If it has fewer, training images that a short training does not reach are
    moved there. The choice follows from the dataset alone, not from a seed.

    Args:
        dataset: `nasnet_keras.training.data.dataset.Dataset`.
        number: Integer, the images that are wanted.
        reached: Integer, the training images that a training reads.
    """
    train, validation = dataset.train, dataset.validation
    number = max(number, len(np.unique(validation[1])))  # One of each class.
    missing = number - len(validation[1])
    if missing < 0:
        validation = subset_of_part(validation, number)
    spare = min(missing, len(train[1]) - reached)
    if spare > 0:
        share = spare / len(train[1])
        train, moved = split_by_class(*train, share, dataset.classes)
        images, labels = (np.concatenate(x) for x in zip(validation, moved))
        validation = images, labels
    return dataclasses.replace(dataset, train=train, validation=validation)
