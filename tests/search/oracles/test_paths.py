"""Paths through cells."""

from nasnet_keras import Block, Cell
from nasnet_keras.search.oracles.paths import count_paths


def test_sums_of_paths():
    cell = Cell(
        [
            Block((0, 1), ("conv_3x3", "identity")),
            Block((2, 2), ("conv_1x1", "identity")),
        ],
        concat=(2, 3),
    )
    assert count_paths(cell) == {
        (0, "conv_3x3"): 2,
        (1,): 2,
        (0, "conv_3x3", "conv_1x1"): 1,
        (1, "conv_1x1"): 1,
    }


def test_nothing_leads_through_none():
    cell = Cell(
        [
            Block((0, 1), ("none", "conv_3x3")),
            Block((0, 2), ("none", "none")),
            Block((3, 2), ("conv_1x1", "identity")),
        ],
        concat=(4,),
    )
    assert count_paths(cell) == {(1, "conv_3x3"): 1}
