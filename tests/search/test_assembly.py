"""The best cells as ImageNet networks, as large as the paper's."""

import pytest

from nasnet_keras import NASNET_A
from nasnet_keras.genotypes.published import AMOEBANET_A
from nasnet_keras.search.assembly import imagenet_networks


def test_nasnet_a_gets_the_papers_filters():
    found = imagenet_networks(NASNET_A)
    assert [(n.name, n.equal, n.filters) for n in found] == [
        ("NASNetMobile", "parameters", 44),
        ("NASNetMobile", "macs", 44),
        ("NASNetLarge", "parameters", 168),
        ("NASNetLarge", "macs", 168),
    ]
    assert [n.parameters for n in found[::2]] == [5_326_716, 88_949_818]


def test_other_cells_are_as_large():
    by_name = {(n.name, n.equal): n for n in imagenet_networks(NASNET_A)}
    for network in imagenet_networks(AMOEBANET_A):
        paper = by_name[network.name, network.equal]
        ratio = getattr(network, network.equal) / getattr(paper, network.equal)
        assert ratio == pytest.approx(1, abs=0.03)
