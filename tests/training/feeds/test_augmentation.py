"""Random crops, flips and cutout, and how often each occurs."""

import numpy as np
import pytest

from nasnet_keras.training.feeds.augmentation import (
    GREY,
    Sampler,
    cut_crops,
    cutout_mask,
)


def epoch_of(sampler, epoch):
    steps = sampler.steps_per_epoch
    first = epoch * steps
    return [sampler.indices(step) for step in range(first, first + steps)]


def test_an_epoch_sees_each_image_once():
    sampler = Sampler(100, 32, seed=0)
    assert sampler.steps_per_epoch == 3
    epochs = [np.concatenate(epoch_of(sampler, n)) for n in range(30)]
    for seen in epochs:
        assert len(set(seen)) == 96 and set(seen) <= set(range(100))
    # Another order each time, and others that are left out.
    assert len({seen.tobytes() for seen in epochs}) == 30
    assert len({frozenset(range(100)) - frozenset(s) for s in epochs}) > 20
    assert set().union(*epochs) == set(range(100))


def test_draws_follow_from_seed_and_step_alone():
    first, second = Sampler(50, 10, seed=3), Sampler(50, 10, seed=3)
    first.draw(0, 32)  # Earlier draws have no effect.
    for step in (17, 4, 4):
        for name in ("indices", "flips", "offsets", "squares"):
            np.testing.assert_array_equal(
                getattr(first.draw(step, 32), name),
                getattr(second.draw(step, 32), name),
            )
    other = Sampler(50, 10, seed=4).draw(4, 32)
    assert (other.offsets != first.draw(4, 32).offsets).any()
    assert (first.draw(5, 32).offsets != first.draw(4, 32).offsets).any()


def test_draws_are_those_of_the_first_version():
    """So that old trainings resume to the same curve."""
    draws = Sampler(20, 4, seed=1).draw(7, 32)
    assert draws.indices.tolist() == [6, 18, 13, 7]
    assert draws.flips.tolist() == [False, False, False, True]
    assert draws.offsets.tolist() == [[0, 8], [0, 0], [8, 2], [1, 6]]
    assert draws.squares.tolist() == [[15, 25], [16, 10], [5, 2], [31, 2]]


def test_each_crop_occurs_and_half_are_flipped():
    sampler = Sampler(500, 500, seed=0)
    draws = [sampler.draw(step, 32) for step in range(20)]
    offsets = np.concatenate([d.offsets for d in draws])
    places, counts = np.unique(offsets, axis=0, return_counts=True)
    assert len(places) == 81 and offsets.min() == 0 and offsets.max() == 8
    # 10,000 draws of 81: about 123 each, and no place twice as often.
    assert counts.min() > 75 and counts.max() < 180
    flips = np.concatenate([d.flips for d in draws])
    assert abs(flips.mean() - 0.5) < 0.02
    squares = np.concatenate([d.squares for d in draws])
    assert len(np.unique(squares, axis=0)) == 32 * 32


def test_crops_are_those_of_an_image_with_a_grey_border():
    """Every crop, flipped or not, cut out of an image that has the border."""
    image = np.arange(16 * 16 * 3).reshape(16, 16, 3).astype("uint8")
    bordered = np.full((20, 20, 3), GREY, "uint8")
    bordered[2:-2, 2:-2] = image
    offsets = np.array([(i, j) for i in range(5) for j in range(5)] * 2)
    flips = np.arange(50) < 25
    crops = cut_crops([image] * 50, offsets, flips, 16, border=2)
    assert crops.dtype == np.uint8
    for crop, (top, left), flip in zip(crops, offsets, flips):
        expected = bordered[top : top + 16, left : left + 16]
        expected = expected[:, ::-1] if flip else expected
        np.testing.assert_array_equal(crop, expected)


def test_crops_of_a_larger_image_have_no_border():
    image = np.arange(20 * 20).reshape(20, 20, 1).astype("uint8")
    (crop,) = cut_crops([image], [(3, 4)], np.array([False]), 16, border=0)
    np.testing.assert_array_equal(crop, image[3:19, 4:20])


@pytest.mark.parametrize(
    "center, area",
    [((16, 16), 256), ((0, 0), 64), ((31, 31), 81), ((0, 16), 128)],
)
def test_cutout_reaches_over_the_border(center, area):
    stays = cutout_mask(np.array([center]), 32, 16)
    assert stays.shape == (1, 32, 32, 1)
    assert (~stays).sum() == area
    assert not stays[0, center[0], center[1], 0]


def test_no_cutout_leaves_all():
    assert cutout_mask(np.array([[3, 4]]), 8, 0).all()


def test_a_batch_larger_than_the_data_is_named():
    with pytest.raises(ValueError, match="batch_size=8 for 7 images"):
        Sampler(7, 8, seed=0)
