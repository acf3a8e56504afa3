"""The parts of a dataset: they follow from its images and labels alone.

No seed moves them, so that a network is never measured on images that another
command trained it on. The validation part is split from all training images;
a subset of `images` is then taken of both.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from nasnet_keras import checks
from nasnet_keras.images.reading import INTERPOLATION

TEST_SHARE = 0.2
SPLIT_SEED = 0
# The spawn key of the draws that scikit-learn does not make: the generator of
# the seed alone would be that of the first epoch's order.
DRAW_STREAM = 3


class Parts(NamedTuple):
    """Labelled images before they are split.

    Args:
        train: Pair: images (array or `ImageFiles`) and integer labels.
        validation, test: The same, or `None`: they are split from `train`.
        classes: Sequence of class names, by label.
        crop, interpolation: How they are, or were, read from image files.
    """

    train: tuple[Any, np.ndarray]
    validation: tuple[Any, np.ndarray] | None
    test: tuple[Any, np.ndarray] | None
    classes: Sequence[str]
    crop: float | str = 1.0
    interpolation: str = INTERPOLATION


def complete(
    parts: Parts, validation_split: float, images: int | None = None
) -> Parts:
    """Splits off the parts that are missing, and takes a subset.

    Args:
        parts: `Parts`.
        validation_split: Float from 0 to below 1.
        images: Optional integer, the number of training images to keep,
            validation included.

    Returns:
        `Parts`, all of them pairs. Each class of the training images is in
        each part.

    Raises:
        ValueError: If a class has too few images for that, or an argument
            leaves too few; the message names it.
    """
    train, validation, test, classes = parts[:4]
    if test is None:
        train, test = split_by_class(*train, TEST_SHARE, classes)
    if validation is None:
        train, validation = split_by_class(
            *train, validation_split, classes, "validation_split"
        )
    if images is not None:
        train, validation = subset(train, validation, images)
    return parts._replace(train=train, validation=validation, test=test)


def split_by_class(
    images: Any,
    labels: np.ndarray,
    share: float,
    classes: Sequence[str],
    argument: str | None = None,
) -> tuple[tuple[Any, np.ndarray], tuple[Any, np.ndarray]]:
    """Splits images into two parts with the same proportions of classes.

    Args:
        images: Array or `ImageFiles`.
        labels: Integer array `(number,)`.
        share: Float from 0 to below 1, the size of the second part; both parts
            have at least one image of each class, unless `share` is 0.
        classes: Sequence of class names, by label.
        argument: Optional string, the user's argument that is the share.

    Returns:
        Two pairs: images and labels of the rest, and of the second part.

    Raises:
        ValueError: If a class has one image alone, or the share leaves less
            than one image of each class; the message names class or argument.
    """
    if not share:
        return (images, labels), (images[:0], labels[:0])
    available = np.bincount(labels, minlength=len(classes))
    _check_two_of_each(available, classes, argument)
    present = int(np.count_nonzero(available))
    number = max(round(share * len(labels)), present)
    if number > len(labels) - present:
        raise ValueError(
            f"`{argument}` must leave an image of each class to train on. "
            f"Received: {argument}={share} of {len(labels)} images in "
            f"{present} classes"
        )
    first, second = _stratified(labels, number, available)
    return (images[first], labels[first]), (images[second], labels[second])


def _check_two_of_each(available, classes, argument):
    for name, number in zip(classes, available):
        if number == 1:
            hint = f", or give {argument}=0" if argument else ""
            use = "validate" if argument else "test"
            raise ValueError(
                f"The class {name!r} has 1 image left; at least 2 are needed, "
                f"one to train and one to {use}. Add images of it, remove "
                f"its folder{hint}."
            )


def _stratified(labels, number, available):
    """Indices of two parts, the second of `number` images."""
    from sklearn.model_selection import train_test_split

    first, second = train_test_split(
        np.arange(len(labels)),
        test_size=number,
        stratify=labels,
        random_state=SPLIT_SEED,
    )
    present = np.count_nonzero(available)
    if all(len(np.unique(labels[part])) == present for part in (first, second)):
        return first, second
    # scikit-learn leaves small classes out of a small part.
    most = np.maximum(available - 1, 0)
    order = _shuffled(len(labels))
    taken = _first_of_each(labels[order], allocate(available, number, most))
    return order[~taken], order[taken]


def subset(train, validation, number):
    """Returns both parts with `number` images in total, in proportion.

    Args:
        train, validation: Pairs of images and labels.
        number: Integer.

    Raises:
        ValueError: If there are fewer images, or fewer are wanted than one of
            each class in each part.
    """
    sizes = np.array([len(train[1]), len(validation[1])])
    present = [len(np.unique(labels)) for _, labels in (train, validation)]
    number = check_subset_size(number, sum(sizes), max(1, sum(present)))
    numbers = allocate(sizes, number, sizes, np.array(present))
    return tuple(
        subset_of_part(part, n) for part, n in zip((train, validation), numbers)
    )


def subset_of_part(
    part: tuple[Any, np.ndarray], number: int
) -> tuple[Any, np.ndarray]:
    """Returns images of a part, in proportion to its classes.

    Args:
        part: Pair: images (array or `ImageFiles`) and integer labels.
        number: Integer, of the images that are kept; at most all of them.
    """
    images, labels = part
    if number == len(labels):
        return part
    available = np.bincount(labels)
    order = _shuffled(len(labels))
    counts = allocate(available, number, available)
    chosen = order[_first_of_each(labels[order], counts)]
    return images[chosen], labels[chosen]


def check_subset_size(number: int, available: int, least: int = 1) -> int:
    """Returns the argument `images`, an integer.

    Args:
        number: Its value.
        available: Integer, the number of training images.
        least: Integer, the smallest possible number: one image of each class
            in each part.

    Raises:
        ValueError: If it is out of range.
    """
    if not checks.is_integer(number, least) or number > available:
        raise ValueError(
            f"`images` must be an integer from {least} (an image of each class "
            f"to train on and to validate) to {available}, the number of "
            f"training images. Received: images={number}"
        )
    return int(number)


def allocate(
    available: np.ndarray,
    number: int,
    most: np.ndarray,
    least: np.ndarray | None = None,
) -> np.ndarray:
    """Shares a number in proportion, by largest remainders.

    Args:
        available: Integers `(groups,)`, the sizes of the groups.
        number: Integer, to be shared.
        most, least: Integers `(groups,)`, limits of the shares. `least` is 1
            by default, and 0 of empty groups.

    Returns:
        Integers `(groups,)` whose sum is `number`.
    """
    least = np.minimum(available, 1) if least is None else least
    exact = number * available / available.sum()
    shares = np.clip(np.floor(exact).astype(int), least, most)
    while (missing := number - shares.sum()) != 0:
        step = np.sign(missing)
        free = shares < most if missing > 0 else shares > least
        best = np.argmax(np.where(free, step * (exact - shares), -np.inf))
        shares[best] += step
    return shares


def _shuffled(number):
    stream = np.random.SeedSequence(SPLIT_SEED, spawn_key=(DRAW_STREAM,))
    return np.random.default_rng(stream).permutation(number)


def _first_of_each(labels, counts):
    """A mask `(number,)`: the first `counts[c]` images of each class."""
    by_class = np.argsort(labels, kind="stable")
    starts = np.cumsum(np.bincount(labels, minlength=len(counts)))
    starts = np.concatenate([[0], starts])[labels[by_class]]
    mask = np.empty(len(labels), bool)
    mask[by_class] = np.arange(len(labels)) - starts < counts[labels[by_class]]
    return mask
