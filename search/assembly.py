"""The cells that a search found, assembled into ImageNet networks."""

from typing import NamedTuple

from nasnet_keras.genotypes import Genotype
from nasnet_keras.networks.counting import count
from nasnet_keras.presets import get_preset
from nasnet_keras.search.evaluators.network import closest_filters
from nasnet_keras.search.names import BUDGETS

NETWORKS = {"NASNetMobile": "nasnet_mobile", "NASNetLarge": "nasnet_large"}
# Stems divide the filters by 4.
LEAST_FILTERS = 8


class Assembled(NamedTuple):
    """A network of the macro architecture of a preset, with other cells.

    Args:
        name: String, of the paper's network.
        equal: `"parameters"` or `"macs"`: what it has about as much of.
        side: Integer, height and width of the images in pixels.
        filters, parameters, macs: Integers.
    """

    name: str
    equal: str
    side: int
    filters: int
    parameters: int
    macs: int


def imagenet_networks(genotype: Genotype) -> list[Assembled]:
    """Returns Mobile and Large of a genotype, as large as the paper's.

    Each with about as many parameters as NASNet-A's, and with about as many
    multiply-adds.

    Args:
        genotype: `Genotype`.
    """
    return [
        _assembled(name, equal, genotype)
        for name in NETWORKS
        for equal in BUDGETS
    ]


def _assembled(name, equal, genotype):
    preset = get_preset(NETWORKS[name])
    side = preset.image_size

    def costs(filters):
        config = preset.config(genotype=genotype, filters=filters)
        return count(config, side)

    wanted = getattr(count(preset.config(), side), equal)
    filters = closest_filters(
        lambda number: getattr(costs(number), equal), wanted, LEAST_FILTERS
    )
    return Assembled(name, equal, side, filters, *costs(filters))
