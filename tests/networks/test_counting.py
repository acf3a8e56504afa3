"""Costs of networks that are never built, against networks that are."""

import numpy as np
import pytest

from nasnet_keras import NASNET_A, NASNet
from nasnet_keras.networks.counting import count
from nasnet_keras.networks.macro import MACROS
from nasnet_keras.search import find_space
from nasnet_keras.search.names import SPACES
from nasnet_keras.summary import totals
from tests.support.genotypes import TWO_BLOCKS


def test_the_published_networks():
    """See tests/test_models.py for where these figures are from."""
    mobile = count(NASNET_A, 4, 44, 224, 1000, stem="imagenet")
    assert mobile == (5_326_716, 563_638_816)
    large = count(
        NASNET_A,
        6,
        168,
        331,
        1000,
        stem="imagenet",
        stem_filters=96,
        skip_reduction=True,
    )
    assert large == (88_949_818, 23_783_414_658)


@pytest.mark.parametrize("space", SPACES)
def test_random_cells_of_every_space(space):
    space = find_space(space)
    rng = np.random.default_rng(3)
    genotype = space.to_genotype(tuple(map(rng.integers, space.sizes)))
    built = NASNet(genotype, 1, 8, "cifar", classes=7, input_shape=(19, 19, 3))
    assert count(genotype, 1, 8, 19, 7, stem="cifar") == totals(built)


@pytest.mark.parametrize("macro", MACROS)
@pytest.mark.parametrize("stem, side", [("cifar", 12), ("imagenet", 50)])
def test_every_macro_architecture(macro, stem, side):
    built = NASNet(
        TWO_BLOCKS,
        2,
        8,
        stem,
        macro=macro,
        classes=3,
        input_shape=(side, side, 1),
    )
    found = count(TWO_BLOCKS, 2, 8, side, 3, channels=1, stem=stem, macro=macro)
    assert found == totals(built)
