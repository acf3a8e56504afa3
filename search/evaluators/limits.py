"""The networks of a search: their costs, and limits on them."""

import dataclasses
import statistics
import time
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
from nasnet_keras.weights import load_weights

LATENCY_RUNS = 10
# The published networks have up to 7 cells a stack; counting takes them all.
MOST_CELLS = 100


@dataclasses.dataclass(frozen=True)
class Network:
    """The configuration that all networks of a search share.

    Args:
        cells_per_stack: Integer, N.
        filters: Integer, F of the first stack.
        side: Integer, height and width of the images in pixels.
        classes: Integer.
        stem: `"cifar"` or `"imagenet"`.
        channels: Integer, of the images.
    """

    cells_per_stack: int
    filters: int
    side: int
    classes: int
    stem: str = "cifar"
    channels: int = 3

    def __post_init__(self) -> None:
        for name, most in (
            ("cells_per_stack", MOST_CELLS),
            *((name, None) for name in ("filters", "side", "classes")),
        ):
            value = checks.integer(name, getattr(self, name), 1, most)
            object.__setattr__(self, name, value)

    def with_settings(self, settings: dict[str, Any]) -> "Network":
        """Returns this network with the searched settings that change it.

        Args:
            settings: Dictionary, name -> value of each searched setting;
                names that are no argument of `Network` are ignored.
        """
        known = {field.name for field in dataclasses.fields(self)}
        own = {name: settings[name] for name in known.intersection(settings)}
        return dataclasses.replace(self, **own)

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
            filters=self.filters,
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


@dataclasses.dataclass(frozen=True)
class Limits:
    """Decides which genotypes may be evaluated.

    Args:
        network: `Network` whose costs are limited.
        max_parameters: Optional integer.
        max_macs: Optional integer, multiply-adds for one image.

    Call arguments:
        genotype: `Genotype`.
        settings: Values of the searched settings, by name.

    Returns:
        Whether the network is within both limits.

    Raises:
        ValueError: If a limit is no positive integer.
    """

    network: Network
    max_parameters: int | None = None
    max_macs: int | None = None

    def __post_init__(self) -> None:
        for name in ("max_parameters", "max_macs"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, checks.integer(name, value, 1))

    def __call__(self, genotype: Genotype, **settings: Any) -> bool:
        costs = self.network.with_settings(settings).count(genotype)
        return not (
            self.max_parameters and costs.parameters > self.max_parameters
        ) and not (self.max_macs and costs.macs > self.max_macs)

    def __str__(self) -> str:
        limits = {
            "parameters": self.max_parameters,
            "multiply-adds": self.max_macs,
        }
        return " and ".join(
            f"at most {limit:,} {name}"
            for name, limit in limits.items()
            if limit is not None
        )

    def describe(self) -> dict[str, Any]:
        """Returns the limits as JSON can hold them."""
        return dataclasses.asdict(self)
