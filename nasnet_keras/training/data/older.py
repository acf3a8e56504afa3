"""Data as the first commits of version 0.1 read and split them.

Then the seed of a run moved its parts, `images` were drawn before the split,
and a folder in memory was squashed. Runs that began so go on so, see
`recorded`.
"""

import numpy as np

from nasnet_keras.images.reading import SQUASH
from nasnet_keras.training.data.splits import (
    TEST_SHARE,
    Parts,
    check_subset_size,
)

READING = {"crop": SQUASH, "interpolation": "bilinear"}


def older_split(
    parts: Parts, validation_split: float, images: int | None, seed: int
) -> Parts:
    """Splits as `splits.complete` does, but by a seed and after the subset.

    Args: see `splits.complete`; `seed` is an integer.
    """
    train, test = parts.train, parts.test
    if test is None:
        train, test = _split(*train, TEST_SHARE, seed)
    if images is not None:
        number = check_subset_size(images, len(train[1]))
        order = np.random.default_rng(seed).permutation(len(train[1]))
        train = train[0][order[:number]], train[1][order[:number]]
    train, validation = _split(*train, validation_split, seed)
    return parts._replace(train=train, validation=validation, test=test)


def _split(images, labels, share, seed):
    if not share:
        return (images, labels), (images[:0], labels[:0])
    from sklearn.model_selection import train_test_split

    first, second = train_test_split(
        np.arange(len(labels)),
        test_size=max(round(share * len(labels)), len(np.unique(labels))),
        stratify=labels,
        random_state=seed,
    )
    return (images[first], labels[first]), (images[second], labels[second])
