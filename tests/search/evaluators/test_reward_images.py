"""The images of the reward, where a class has few."""

import numpy as np
import pytest

from nasnet_keras.search.evaluators.reward_images import with_reward_images
from nasnet_keras.training.data.dataset import Dataset


def dataset(*numbers):
    """Training images of each class; two of each to validate and test."""

    def part(counts):
        labels = np.repeat(np.arange(len(counts)), counts)
        images = np.arange(len(labels)).reshape(-1, 1, 1, 1)
        return np.broadcast_to(images, (len(labels), 4, 4, 3)), labels

    names = tuple("abcdefgh"[: len(numbers)])
    two = part([2] * len(numbers))
    return Dataset("numbers", names, part(numbers), two, two)


@pytest.mark.parametrize("single", [0, 2])
def test_the_only_image_of_a_class_is_trained_on(single):
    """A class of one image fails no child: it is not moved."""
    numbers = [400, 300]
    numbers.insert(single, 1)
    found = with_reward_images(dataset(*numbers), 100, 500)
    assert len(found.validation[1]) == 100
    assert len(found.train[1]) == 701 - 94
    assert np.bincount(found.train[1])[single] == 1
    assert np.bincount(found.validation[1])[single] == 2
    numbers = found.train[0][:, 0, 0, 0]
    moved = found.validation[0][6:, 0, 0, 0]
    assert sorted([*numbers, *moved]) == list(range(701))


@pytest.mark.parametrize("numbers", [(1, 1, 1), (2, 2, 2), (1, 3, 2)])
def test_too_few_to_move(numbers):
    """One of each class is moved, and one stays; else nothing is."""
    data = dataset(*numbers)
    found = with_reward_images(data, 100, 0)
    both = len(found.train[1]) + len(found.validation[1])
    assert both == sum(numbers) + 6
    assert set(found.train[1]) == set(data.train[1])
