"""Median stopping, against curves whose medians are known."""

import pytest

from nasnet_keras.search import MedianStopping

EARLIER = [[0.2, 0.4], [0.4, 0.6], [0.6, 0.8]]  # Means: 0.3, 0.5, 0.7.


def test_it_stops_below_the_median_of_the_means():
    rule = MedianStopping(least_children=3)
    assert rule.stops([0.1, 0.49], EARLIER)
    assert not rule.stops([0.1, 0.5], EARLIER)
    assert not rule.stops([0.6, 0.1], EARLIER)  # Its best counts.
    assert rule.stops([0.3], EARLIER)  # Up to the same epoch: median 0.4.


def test_it_waits_for_children_and_epochs():
    assert not MedianStopping(least_children=4).stops([0.0], EARLIER)
    assert not MedianStopping(3, least_epochs=2).stops([0.0], EARLIER)
    # A child that was stopped says nothing of later epochs.
    assert not MedianStopping(3).stops([0.0, 0.0], [*EARLIER[:2], [0.9]])


@pytest.mark.parametrize("name", ["least_children", "least_epochs"])
def test_arguments_out_of_range(name):
    with pytest.raises(ValueError, match=f"{name}=0"):
        MedianStopping(**{name: 0})
