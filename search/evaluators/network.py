"""The networks of a search: their configuration, their size, their costs."""

import dataclasses
import functools
import statistics
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from nasnet_keras import checks
from nasnet_keras.genotypes import Genotype
from nasnet_keras.layers.image_axes import image_shape
from nasnet_keras.networks.build import build_network
from nasnet_keras.networks.config import NetworkConfig
from nasnet_keras.networks.counting import Count, count
from nasnet_keras.search.evaluators.memory import free_memory
from nasnet_keras.search.names import BUDGETS, SIZES
from nasnet_keras.weights import load_weights

LATENCY_RUNS = 10
# The published networks have up to 7 cells a stack; counting takes them all.
MOST_CELLS = 100
MOST_FILTERS = 512
TOLERANCE = 0.25  # Of a budget; one filter more or less is up to a fifth.
# Costs are polynomials of second degree in the filters: three counts tell all.
# Multiples of 16, because operations of a cell and stems divide them by 4.
PROBES = (16, 32, 48)
FITTED = 4096  # Genotypes whose filters are remembered.


@dataclasses.dataclass(frozen=True)
class Network:
    """The configuration that all networks of a search share.

    Of `filters`, `parameters` and `macs` exactly one is given. Cells at equal
    filters differ in cost by a factor of ten; at equal parameters or
    multiply-adds, a cell of cheap operations gets more filters.

    Args:
        cells_per_stack: Integer, N.
        filters: Integer, F of the first stack.
        side: Integer, height and width of the images in pixels.
        classes: Integer.
        stem: `"cifar"` or `"imagenet"`.
        channels: Integer, of the images.
        parameters: Integer, about the parameters of each network.
        macs: Integer, about the multiply-adds of each network for one image.

    Raises:
        ValueError: If an argument is out of range, or the size is given twice
            or not at all.
    """

    cells_per_stack: int
    filters: int | None
    side: int
    classes: int
    stem: str = "cifar"
    channels: int = 3
    parameters: int | None = None
    macs: int | None = None

    def __post_init__(self) -> None:
        check_one_size(self)
        for name, most in (
            ("cells_per_stack", MOST_CELLS),
            *((name, None) for name in (*SIZES, "side", "classes")),
        ):
            if name not in SIZES or getattr(self, name) is not None:
                value = checks.integer(name, getattr(self, name), 1, most)
                object.__setattr__(self, name, value)

    @property
    def budget(self) -> str | None:
        """`"parameters"` or `"macs"` if the filters follow from it."""
        return next((n for n in BUDGETS if getattr(self, n)), None)

    def with_settings(self, settings: dict[str, Any]) -> "Network":
        """Returns this network with the searched settings that change it.

        Args:
            settings: Dictionary, name -> value of each searched setting;
                names that are no argument of `Network` are ignored.
        """
        known = {field.name for field in dataclasses.fields(self)}
        own = {name: settings[name] for name in known.intersection(settings)}
        return dataclasses.replace(self, **own)

    def with_size(self, **size: int) -> "Network":
        """Returns this network with another size.

        Args:
            size: `filters`, `parameters` or `macs`.
        """
        sizes: dict[str, Any] = {**dict.fromkeys(SIZES), **size}
        return dataclasses.replace(self, **sizes)

    def sized(self, genotype: Genotype) -> "Network":
        """Returns this network with the filters that a genotype gets.

        Args:
            genotype: `Genotype`.
        """
        return self.with_size(filters=self.filters_of(genotype))

    def filters_of(self, genotype: Genotype) -> int:
        """Returns the filters that a genotype gets."""
        if self.filters is not None:
            return self.filters
        return _fitting_filters(self, genotype)

    def check_budget(self, genotype: Genotype) -> None:
        """Refuses a budget that no number of filters comes close to.

        Args:
            genotype: `Genotype`, an example.

        Raises:
            ValueError: If its network differs by more than `TOLERANCE`.
        """
        if self.budget is None:
            return
        wanted, network = getattr(self, self.budget), self.sized(genotype)
        nearest = getattr(network.count(genotype), self.budget)
        if abs(nearest - wanted) > TOLERANCE * wanted:
            raise ValueError(
                f"`{self.budget}` must be a size that networks of "
                f"{self.cells_per_stack} cells per stack can have: the nearest "
                f"one has {nearest:,} with {network.filters} filters. "
                f"Received: {self.budget}={wanted}"
            )

    def config(self, genotype: Genotype, **arguments: Any) -> NetworkConfig:
        """Returns the configuration of a genotype's network.

        Args:
            genotype: `Genotype`.
            arguments: Further arguments of `NetworkConfig`.
        """
        data_format = keras.config.image_data_format()
        return NetworkConfig(
            genotype,
            cells_per_stack=self.cells_per_stack,
            filters=self.filters_of(genotype),
            stem=self.stem,
            classes=self.classes,
            input_shape=image_shape(self.side, data_format, self.channels),
            **arguments,
        )

    def count(self, genotype: Genotype) -> Count:
        """Returns parameters and multiply-adds; builds nothing."""
        return count(self.config(genotype), self.side, self.channels)

    def build(
        self,
        genotype: Genotype,
        weights: Any = None,
        input_tensor: Any = None,
        **arguments: Any,
    ) -> keras.Model:
        """Returns the network of a genotype, by default with random weights.

        Args: see `config`.
            weights, input_tensor: See `nasnet_keras.NASNet`.
        """
        config = self.config(genotype, **arguments)
        model, _ = build_network(config, input_tensor)
        load_weights(model, weights, adapt=True)
        return model

    def latency(self, genotype: Genotype) -> float:
        """Returns the median milliseconds for one image on this machine.

        Compilation is not counted.
        """
        model = self.build(genotype)
        image = np.zeros((1, *model.input_shape[1:]), "float32")
        model.predict_on_batch(image)
        seconds = []
        for _ in range(LATENCY_RUNS):
            start = time.perf_counter()
            model.predict_on_batch(image)
            seconds.append(time.perf_counter() - start)
        del model
        free_memory()
        return 1000 * statistics.median(seconds)


def check_one_size(owner: Any) -> None:
    """Refuses an object whose size is given twice or not at all.

    Args:
        owner: Object with the attributes `SIZES`.

    Raises:
        ValueError: If not exactly one of them is given.
    """
    given = {name: getattr(owner, name) for name in SIZES}
    if sum(value is not None for value in given.values()) != 1:
        values = ", ".join(f"{name}={value!r}" for name, value in given.items())
        raise ValueError(
            "Exactly one of `filters`, `parameters` and `macs` must be given: "
            f"each sets the size of the networks. Received: {values}"
        )


@functools.lru_cache(FITTED)
def _fitting_filters(network, genotype):
    """Returns the filters that come closest to the budget of a network."""

    def cost(filters):
        costs = network.with_size(filters=filters).count(genotype)
        return getattr(costs, network.budget)

    # ImageNet's stem halves the filters twice.
    least = 8 if network.stem == "imagenet" else 2
    return closest_filters(cost, getattr(network, network.budget), least)


def closest_filters(
    cost: Callable[[int], int], wanted: int, least: int = 2
) -> int:
    """Returns the filters whose network comes closest to a cost.

    Args:
        cost: Function of the filters, such as the parameters.
        wanted: Integer, the cost.
        least: Integer, the fewest filters.
    """
    counts = [cost(filters) for filters in PROBES]
    curve = np.polynomial.Polynomial.fit(PROBES, counts, deg=2)
    filters = np.arange(least, MOST_FILTERS + 1)
    return int(filters[np.abs(curve(filters) - wanted).argmin()])
