"""Presets: named networks with weights and published figures."""

from __future__ import annotations

import dataclasses
import importlib.resources
import json
import pathlib
from typing import Any

from nasnet_keras.checks import integer
from nasnet_keras.genotypes import Genotype
from nasnet_keras.genotypes.published import NASNET_A
from nasnet_keras.layers.image_axes import LARGEST_SIDE, image_shape
from nasnet_keras.networks.config import ARGUMENTS, NetworkConfig

WEIGHTS_FILE = "model.weights.h5"
CONFIG_FILE = "config.json"
SHIPPED = "nasnet_keras.pretrained"  # The folder pretrained/shipped.


@dataclasses.dataclass(frozen=True)
class Published:
    """The figures of a network as its authors published them.

    Args:
        parameters: String, with its unit.
        macs: String, multiply-adds with their unit.
        accuracy: String, top-1 / top-5 on ImageNet, test error on CIFAR-10.
        source: String, the paper.
    """

    parameters: str = ""
    macs: str = ""
    accuracy: str = ""
    source: str = "arXiv 1707.07012"


@dataclasses.dataclass(frozen=True)
class Weights:
    """Published weights: source, hash, training conventions, accuracy.

    Args:
        format: `"keras_applications"` (an h5 file), `"tf_slim"` (an archive
            with a checkpoint) or `"shipped"` (a file of this package).
        url: String; for shipped weights the name of the file.
        md5: String, or `None` where no hash is published.
        no_top_url, no_top_md5: The same for the file without classifier.
        classes: Integer, the number of classes of the classifier.
        pooling_semantics: String, with which the weights were trained.
        preprocessing: String.
        licence: String.
        source: String, who trained them and who published the file.
        reported: String, accuracy, and where it was reported.
        configuration: Dictionary, arguments of `nasnet_keras.NASNet` in which
            the network of these weights differs from the preset's.
    """

    format: str
    url: str
    md5: str | None = None
    no_top_url: str | None = None
    no_top_md5: str | None = None
    classes: int = 1000
    pooling_semantics: str = "tf_slim"
    preprocessing: str = "x / 127.5 - 1"
    licence: str = "Apache 2.0"
    source: str = ""
    reported: str = ""
    configuration: dict[str, Any] = dataclasses.field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """Returns how shipped weights were trained (`pretrained/ship.py`).

        Returns:
            Dictionary: `configuration`, `history`, `minutes`, `test`, ...
        """
        name = self.url.replace(".weights.h5", ".json")
        file = importlib.resources.files(SHIPPED).joinpath(name)
        return json.loads(file.read_text())

    def fetch(self, top: bool = True) -> Any:
        """Returns the path of the file, or of the archive's folder.

        Files that are not shipped are downloaded once.

        Args:
            top: Whether the classifier is needed.

        Raises:
            nasnet_keras.weights.download.DownloadError: If a download fails.
        """
        from nasnet_keras.weights import archives, download

        if self.format == "shipped":
            return importlib.resources.files(SHIPPED).joinpath(self.url)
        if self.format == "tf_slim":
            return archives.fetch_archive(self.url, self.md5)
        if top or self.no_top_url is None:
            return download.fetch(self.url, self.md5)
        return download.fetch(self.no_top_url, self.no_top_md5)


@dataclasses.dataclass(frozen=True)
class Preset:
    """A named network: arguments, image size, weights, class names.

    Args:
        name: String.
        configuration: Dictionary, arguments of `nasnet_keras.NASNet` that
            differ from its defaults; `config()` returns all of them.
        image_size: Integer, height and width of the images in pixels.
        title: String, its name in the paper.
        published: `Published`, or `None`.
        weights: Dictionary, name -> `Weights`.
        class_names: `"imagenet"`, a tuple of strings, or `None`.
        folder: Path of the folder from which it was read, or `None`.
        test_sized: Whether it is a tiny network for tests.
        crop, interpolation: How image files are read for it, see
            `nasnet_keras.images.files`; `None` for the defaults there.

    Raises:
        ValueError: If `name`, `image_size` or `class_names` has another form.
    """

    name: str
    configuration: dict[str, Any]
    image_size: int
    title: str = ""
    published: Published | None = None
    weights: dict[str, Weights] = dataclasses.field(default_factory=dict)
    class_names: tuple[str, ...] | str | None = None
    folder: pathlib.Path | None = None
    test_sized: bool = False
    crop: float | str | None = None
    interpolation: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise ValueError(
                f"`name` must be a string. Received: name={self.name!r}"
            )
        side = integer("image_size", self.image_size, 1, LARGEST_SIDE)
        object.__setattr__(self, "image_size", side)
        names = self.class_names
        if names not in (None, "imagenet") and not (
            isinstance(names, tuple)
            and all(isinstance(name, str) for name in names)
        ):
            raise ValueError(
                "`class_names` must be 'imagenet', None, or a tuple of "
                f"strings. Received: class_names={names!r}"
            )

    @property
    def own_weights(self) -> pathlib.Path | str | None:
        """The weights that `from_preset` loads by default, or `None`."""
        if self.folder and (self.folder / WEIGHTS_FILE).is_file():
            return self.folder / WEIGHTS_FILE
        # Weights with a configuration belong to another network.
        names = (n for n, w in self.weights.items() if not w.configuration)
        return next(names, None)

    def config(self, **overrides: Any) -> NetworkConfig:
        """Returns the configuration of the preset's network.

        Args:
            overrides: Arguments of a network in place of the preset's. With
                `include_top=False` the auxiliary head is left out too.

        Raises:
            ValueError: If the preset has an unknown argument, or one is out
                of range.
            TypeError: If an override is no argument of a network.
        """
        self._check_names(self.configuration, ValueError)
        self._check_names(overrides, TypeError)
        arguments = {"name": self.name, **self.configuration, **overrides}
        if overrides.get("include_top") is False:
            arguments["auxiliary_head"] = overrides.get("auxiliary_head", False)
        if arguments.get("input_shape") is None:
            arguments["input_shape"] = self._image_shape()
        return NetworkConfig(**arguments)

    def _check_names(self, arguments, error_class):
        unknown = sorted(set(arguments) - set(ARGUMENTS))
        if unknown:
            raise error_class(
                f"Unexpected argument(s) for {self.name!r}: "
                f"{', '.join(unknown)}. Those of a network are: weights, "
                f"input_tensor, {', '.join(ARGUMENTS)}"
            )

    def _image_shape(self):
        import keras

        data_format = keras.config.image_data_format()
        return image_shape(self.image_size, data_format)

    def to_dict(self) -> dict[str, Any]:
        """Returns what `config.json` holds.

        Raises:
            ValueError: If an argument is out of range, or no file can hold it.
        """
        # Checked, and as plain Python.
        checked = self.config().to_dict()
        names = {**self.configuration, "genotype": NASNET_A}
        configuration = {name: checked[name] for name in names}
        activation = configuration.get("classifier_activation")
        if callable(activation):
            raise ValueError(
                "`classifier_activation` must be the name of an activation, or "
                "None, to be saved. Received: classifier_activation="
                f"{activation!r}"
            )
        reading = {"crop": self.crop, "interpolation": self.interpolation}
        return {
            "name": self.name,
            "title": self.title,
            "image_size": self.image_size,
            "class_names": self.class_names,
            **{k: v for k, v in reading.items() if v is not None},
            "configuration": configuration,
        }

    @classmethod
    def from_dict(
        cls, data: dict[str, Any], folder: pathlib.Path | None = None
    ) -> Preset:
        """Rebuilds a preset from `to_dict()`."""
        configuration = dict(data["configuration"])
        configuration["genotype"] = Genotype.from_dict(
            configuration["genotype"]
        )
        # JSON has no functions: whatever is no name would be made by Keras.
        activation = configuration.get("classifier_activation")
        if not isinstance(activation, str | None):
            raise ValueError(
                "`classifier_activation` must be the name of an activation, or "
                f"null. Received: classifier_activation={activation!r}"
            )
        names = data.get("class_names")
        preset = cls(
            name=data["name"],
            configuration=configuration,
            image_size=data["image_size"],
            title=data.get("title", ""),
            class_names=tuple(names) if isinstance(names, list) else names,
            crop=data.get("crop"),
            interpolation=data.get("interpolation"),
            folder=folder,
        )
        preset.config()  # Wrong arguments are found here, not when it is built.
        return preset
