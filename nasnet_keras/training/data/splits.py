"""Random, reproducible splits and subsets of labelled images."""

import numpy as np


def split_by_class(images, labels, share, seed):
    """Splits images into two parts with the same proportions of classes.

    Args:
        images: Array or `ImageFiles`.
        labels: Integer array `(number,)`.
        share: Float from 0 to below 1, the size of the second part; it has at
            least as many images as there are classes, unless `share` is 0.
        seed: Integer.

    Returns:
        Two pairs: images and labels of the rest, and of the second part.
    """
    if not share:
        return (images, labels), (images[:0], labels[:0])
    from sklearn.model_selection import train_test_split

    classes = np.count_nonzero(np.bincount(labels))
    first, second = train_test_split(
        np.arange(len(labels)),
        test_size=max(round(share * len(labels)), classes),
        stratify=labels,
        random_state=seed,
    )
    return (images[first], labels[first]), (images[second], labels[second])


def check_subset_size(number, available):
    """Raises `ValueError` unless `number` is from 1 to `available`."""
    if not 0 < number <= available:
        raise ValueError(
            f"`images` must be from 1 to {available}, the number of training "
            f"images. Received: images={number}"
        )


def random_subset(images, labels, number, seed):
    """Returns `number` randomly chosen images and their labels.

    Raises:
        ValueError: If there are fewer images.
    """
    check_subset_size(number, len(labels))
    chosen = np.random.default_rng(seed).permutation(len(labels))[:number]
    return images[chosen], labels[chosen]
