"""Networks of equal cost: their filters follow from their cells."""

import numpy as np
import pytest

from nasnet_keras import NASNET_A
from nasnet_keras.search import NASNetSpace, Network

SPACE = NASNetSpace(2)
BASE = {"cells_per_stack": 1, "side": 16, "classes": 10}


def some_cells(number=12):
    return [
        SPACE.to_genotype(SPACE.sample(np.random.default_rng(seed)))
        for seed in range(number)
    ]


@pytest.mark.parametrize(
    "budget", [{"parameters": 60_000}, {"macs": 3_000_000}]
)
def test_no_other_filters_come_closer(budget):
    """Counted one by one, for cells whose costs differ by far."""
    network = Network(filters=None, **BASE, **budget)
    ((cost, wanted),) = budget.items()
    equal = network.with_size(filters=8)

    def cost_of(genotype):
        return getattr(equal.count(genotype), cost)

    cells = sorted(some_cells(), key=cost_of)
    assert cost_of(cells[-1]) > 3 * cost_of(cells[0])
    for genotype in (*cells[::4], cells[-1]):
        filters = network.sized(genotype).filters
        distances = [
            abs(
                getattr(network.with_size(filters=f).count(genotype), cost)
                - wanted
            )
            for f in (filters - 1, filters, filters + 1)
        ]
        assert distances[1] <= min(distances) + 0.01 * wanted
        found = getattr(network.count(genotype), cost)
        assert found == pytest.approx(wanted, rel=0.15)


def test_the_network_that_is_built_has_that_size():
    network = Network(filters=None, parameters=75_000, **BASE)
    model = network.build(NASNET_A)
    assert model.count_params() == network.count(NASNET_A).parameters
    assert model.count_params() == pytest.approx(75_000, rel=0.1)


def test_the_size_is_given_once():
    for size in (
        {"filters": None},
        {"filters": 8, "parameters": 1000},
        {"filters": None, "parameters": 1000, "macs": 1000},
    ):
        with pytest.raises(ValueError, match="Exactly one of `filters`"):
            Network(**BASE, **size)
    for name in ("parameters", "macs"):
        for wrong in (0, -1, 1.5, True, "75000"):
            with pytest.raises(ValueError, match=f"`{name}` must be"):
                Network(filters=None, **BASE, **{name: wrong})


@pytest.mark.parametrize("budget", [{"parameters": 100}, {"macs": 10**12}])
def test_a_size_that_no_network_has(budget):
    network = Network(filters=None, **BASE, **budget)
    ((name, wanted),) = budget.items()
    with pytest.raises(ValueError, match=f"{name}={wanted}") as error:
        network.check_budget(NASNET_A)
    assert "the nearest one has" in str(error.value)
