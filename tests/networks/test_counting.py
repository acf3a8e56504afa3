"""Costs of networks that are never built, against networks that are."""

import numpy as np
import pytest

from nasnet_keras import NASNet
from nasnet_keras.networks.build import build_network
from nasnet_keras.networks.config import NetworkConfig
from nasnet_keras.networks.counting import count, count_layers
from nasnet_keras.networks.macro import MACROS
from nasnet_keras.search import find_space
from nasnet_keras.search.names import SPACES
from nasnet_keras.summary import summarize, totals
from tests.support.genotypes import TWO_BLOCKS


def test_the_published_networks():
    """The figures of `test_build.py` and `tests/test_summary.py`."""
    mobile = count(NetworkConfig(), 224)
    assert mobile == (5_326_716, 563_638_816)
    large = NetworkConfig(
        cells_per_stack=6, filters=168, stem_filters=96, skip_reduction=True
    )
    large = count(large, 331)
    assert large == (88_949_818, 23_783_414_658)


@pytest.mark.parametrize("space", SPACES)
def test_random_cells_of_every_space(space):
    space = find_space(space)
    rng = np.random.default_rng(3)
    genotype = space.to_genotype(tuple(map(rng.integers, space.sizes)))
    built = NASNet(genotype, 1, 8, "cifar", classes=7, input_shape=(19, 19, 3))
    config = NetworkConfig(genotype, 1, 8, "cifar", classes=7)
    assert count(config, 19) == totals(built)


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
    config = NetworkConfig(TWO_BLOCKS, 2, 8, stem, macro=macro, classes=3)
    assert count(config, side, channels=1) == totals(built)


@pytest.mark.parametrize(
    "arguments, side",
    [
        ({"stem": "cifar", "include_top": False}, 15),
        ({"macro": "darts", "classes": 3}, 33),
        ({"aligned": True, "skip_reduction": True, "classes": 3}, 33),
    ],
)
def test_each_layer_costs_what_the_built_one_does(arguments, side):
    config = NetworkConfig(
        TWO_BLOCKS, 1, 8, input_shape=(side, side, 3), **arguments
    )
    model, _ = build_network(config)
    assert count_layers(config, side) == summarize(model)
