"""What the network of a genotype costs, and limits that it must keep."""

import dataclasses
import statistics
import time

import keras
import numpy as np

from nasnet_keras.layers.image_axes import image_shape
from nasnet_keras.networks.build import NASNet
from nasnet_keras.networks.counting import count
from nasnet_keras.search.evaluators.memory import free_memory

LATENCY_RUNS = 10


@dataclasses.dataclass(frozen=True)
class Network:
    """The network that is made of a genotype's cells.

    Args:
        cells_per_stack: Integer, N.
        filters: Integer, F of the first stack.
        side: Integer, of the square images.
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

    def with_settings(self, settings):
        """Returns this network with those of the settings that are its own.

        Args:
            settings: Dictionary, what decisions that ride along take.
        """
        known = {field.name for field in dataclasses.fields(self)}
        own = {name: settings[name] for name in known.intersection(settings)}
        return dataclasses.replace(self, **own)

    def count(self, genotype):
        """Returns its parameters and multiply-adds, see `count`."""
        return count(genotype, **dataclasses.asdict(self))

    def build(self, genotype, **arguments):
        """Returns the network, with random weights.

        Args:
            genotype: `Genotype`.
            arguments: Others of `nasnet_keras.NASNet`.
        """
        data_format = keras.config.image_data_format()
        return NASNet(
            genotype,
            cells_per_stack=self.cells_per_stack,
            filters=self.filters,
            stem=self.stem,
            classes=self.classes,
            input_shape=image_shape(self.side, data_format, self.channels),
            **arguments,
        )

    def latency(self, genotype):
        """Returns the milliseconds that it takes for one image: the median,
        on this machine, after it is compiled."""
        model = self.build(genotype)
        image = np.zeros((1, *model.input_shape[1:]), "float32")
        model.predict_on_batch(image)
        seconds = []
        for _ in range(LATENCY_RUNS):
            began = time.perf_counter()
            model.predict_on_batch(image)
            seconds.append(time.perf_counter() - began)
        del model
        free_memory()
        return 1000 * statistics.median(seconds)


@dataclasses.dataclass(frozen=True)
class Limits:
    """Tells which genotypes may be evaluated.

    Args:
        network: `Network`, of which the limits hold.
        max_parameters: Optional integer.
        max_macs: Optional integer, multiply-adds for one image.

    Call arguments:
        genotype: `Genotype`.
        settings: What the decisions that ride along take, by name.

    Raises:
        ValueError: If a limit is not positive.
    """

    network: Network
    max_parameters: int = None
    max_macs: int = None

    def __post_init__(self):
        for name in ("max_parameters", "max_macs"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(
                    f"`{name}` must be positive. Received: {name}={value!r}"
                )

    def __call__(self, genotype, **settings):
        found = self.network.with_settings(settings).count(genotype)
        return not (
            self.max_parameters and found.parameters > self.max_parameters
        ) and not (self.max_macs and found.macs > self.max_macs)

    def describe(self):
        """Returns the limits as JSON can hold them."""
        return dataclasses.asdict(self)
