"""The images that rewards are measured on."""

import dataclasses

import numpy as np

from nasnet_keras.training.data.dataset import Dataset
from nasnet_keras.training.data.splits import split_by_class, subset_of_part

Part = tuple[np.ndarray, np.ndarray]  # Images and integer labels.


def with_reward_images(dataset: Dataset, number: int, reached: int) -> Dataset:
    """Returns a dataset whose validation part are the images of the reward.

    If it has fewer, training images that a short training does not reach are
    moved there, but not the only one of a class. The choice follows from the
    dataset alone, not from a seed.

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
    single, train = _single_images(train)
    classes = len(np.unique(train[1]))
    kept = max(reached - len(single[1]), classes)
    spare = min(missing, len(train[1]) - kept)
    if spare >= max(classes, 1):  # One of each class is moved, and stays.
        share = spare / len(train[1])
        train, moved = split_by_class(*train, share, dataset.classes)
        validation = _joined(validation, moved)
    train = _joined(train, single)
    return dataclasses.replace(dataset, train=train, validation=validation)


def _single_images(part: Part) -> tuple[Part, Part]:
    """Divides a part: images that are the only one of their class, the rest."""
    images, labels = part
    alone = np.bincount(labels)[labels] == 1
    if not alone.any():  # The rest is then no copy.
        return (images[:0], labels[:0]), part
    return (images[alone], labels[alone]), (images[~alone], labels[~alone])


def _joined(first: Part, second: Part) -> Part:
    if not len(second[1]):
        return first
    images, labels = (np.concatenate(pair) for pair in zip(first, second))
    return images, labels
