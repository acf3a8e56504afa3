"""Spaces with the wiring of a known genotype."""

import numpy as np
import pytest

from nasnet_keras import NASNET_A
from nasnet_keras.genotypes import Cell
from nasnet_keras.search import WiredSpace, find_space

OPERATIONS = ("identity", "sep_conv_3x3")


def test_blocks_read_what_those_of_the_known_cell_read():
    space = find_space("nasnet_a_wired")
    assert space.sizes == (6,) * 20
    for seed in range(5):
        genotype = space.to_genotype(space.sample(np.random.default_rng(seed)))
        for role in ("normal", "reduction"):
            ours, theirs = getattr(genotype, role), getattr(NASNET_A, role)
            assert [b.inputs for b in ours.blocks] == [
                b.inputs for b in theirs.blocks
            ]
            assert ours.concat == tuple(s for s in theirs.concat if s > 1)


def test_nasnet_a_but_for_its_previous_input_is_a_point():
    normal = Cell(NASNET_A.normal.blocks, (2, 3, 4, 5, 6))
    asked = type(NASNET_A)(normal, NASNET_A.reduction)
    space = find_space("nasnet_a_wired")
    assert space.to_genotype(space.from_genotype(asked)) == asked
    with pytest.raises(ValueError, match="no point of this space"):
        space.from_genotype(NASNET_A)


def test_the_first_blocks_alone():
    """Block 2 is an output: the blocks that read it are cut off."""
    space = find_space("nasnet_a_wired", blocks=3)
    genotype = space.to_genotype((0,) * 12)
    assert genotype.normal.concat == genotype.reduction.concat == (2, 3, 4)


def test_other_wirings_are_other_searches():
    """A journal of one must not be resumed by the other."""
    turned = Cell(NASNET_A.reduction.blocks, (4, 5, 6))
    other = type(NASNET_A)(turned, turned)
    spaces = [WiredSpace(g, OPERATIONS, 3) for g in (NASNET_A, other)]
    assert spaces[0].to_dict() != spaces[1].to_dict()
    assert np.prod(spaces[0].sizes) == 2**12


@pytest.mark.parametrize("blocks", [0, 6])
def test_blocks_that_the_cell_lacks(blocks):
    with pytest.raises(ValueError, match="must be 1 to 5"):
        find_space("nasnet_a_wired", blocks)


def test_a_cell_of_other_size():
    with pytest.raises(ValueError, match="has 3 blocks a cell"):
        find_space("nasnet_a_wired", 3).from_genotype(NASNET_A)
