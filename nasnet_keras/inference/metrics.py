"""Ranks, accuracy and cross-entropy of class scores."""

import numpy as np


def ranks(scores, labels):
    """Returns the rank of each image's true class among its scores.

    Classes are ordered by score, equal scores by class number: rank 0 is the
    class that `argmax` returns, and an image counts for the top k if its rank
    is below k.

    Args:
        scores: Array `(images, classes)`.
        labels: Integer array `(images,)`.

    Returns:
        Integer array `(images,)`, from 0 to below the number of classes.
    """
    scores, labels = np.asarray(scores), np.asarray(labels)
    order = np.argsort(-scores, axis=1, kind="stable")
    return (order == labels[:, None]).argmax(axis=1)


def top_k_accuracy(scores, labels, k=1):
    """Returns the share of images whose class is among the k best scores.

    Args: see `ranks`.
        k: Positive integer.

    Returns:
        Float from 0 to 1.
    """
    return float((ranks(scores, labels) < k).mean())


def likelihood(probabilities, labels):
    """Returns the geometric mean of the true classes' probabilities.

    It is `exp(-cross-entropy)`.

    Args: see `cross_entropies`.

    Returns:
        Float from 0 to 1.
    """
    return float(np.exp(-cross_entropies(probabilities, labels).mean()))


def cross_entropies(probabilities, labels):
    """Returns `-log(p)` of the true class of each image.

    Args:
        probabilities: Array `(images, classes)`. Values below 1e-7
            count as 1e-7, as in Keras.
        labels: Integer array `(images,)`.

    Returns:
        Float array `(images,)`.
    """
    p = np.asarray(probabilities)[np.arange(len(labels)), labels]
    return -np.log(np.maximum(p, 1e-7))
