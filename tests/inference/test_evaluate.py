"""`measure` by hand."""

import math

import numpy as np
import pytest

from nasnet_keras.inference.evaluate import measure


class Scores:
    """A model whose outputs are its inputs."""

    def predict_on_batch(self, images):
        return [images, images * 0]  # Of two heads the first counts.


def test_measure_by_hand():
    first = np.array([[0.7, 0.2, 0.1, 0, 0, 0], [0.1, 0.6, 0.3, 0, 0, 0]])
    second = np.array([[0.5, 0.4, 0.05, 0.03, 0.02, 0.0]])
    done = []
    result = measure(
        Scores(), [(first, [0, 2]), (second, [5])], progress=done.append
    )
    assert done == [2, 1]
    assert result["images"] == 3
    assert result["top1"] == pytest.approx(1 / 3)
    assert result["top5"] == pytest.approx(2 / 3)
    losses = [-math.log(0.7), -math.log(0.3), -math.log(1e-7)]
    assert result["loss"] == pytest.approx(sum(losses) / 3)


def test_equal_scores_are_not_in_our_favour():
    """A network that scores all classes alike is right by chance alone."""
    even = np.full((10, 10), 0.1)
    result = measure(Scores(), [(even, np.arange(10))])
    assert result["top1"] == pytest.approx(0.1)


def test_no_image():
    with pytest.raises(ValueError, match="must hold images"):
        measure(Scores(), [])
