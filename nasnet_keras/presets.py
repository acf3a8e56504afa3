"""The published networks by name: configuration, weights, reported figures.

Plain data, and the folders in which a user keeps presets of his own.
`nasnet_keras.from_preset` builds networks of them.
"""

import dataclasses
import functools
import importlib.resources
import json
import pathlib

from nasnet_keras.genotypes import Genotype
from nasnet_keras.published import (
    AMOEBANET_A,
    DARTS_V1,
    DARTS_V2,
    ENAS,
    NASNET_A,
    PNASNET_5,
)

KERAS = (
    "https://storage.googleapis.com/tensorflow/keras-applications/nasnet/NASNet"
)
AUTHORS = "https://storage.googleapis.com/download.tensorflow.org/models/"
WEIGHTS_FILE = "model.weights.h5"
CONFIG_FILE = "config.json"


@dataclasses.dataclass(frozen=True)
class Published:
    """What the authors report of a network, as they print it.

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
    """Published weights: where they are and what is known of them.

    Args:
        format: `"keras_applications"` (an h5 file) or `"tf_slim"` (an archive
            with a checkpoint).
        url: String.
        md5: String, or `None` where no hash is published.
        no_top_url, no_top_md5: The same, of the file without classifier.
        classes: Integer, what the classifier tells apart.
        pooling_semantics: String, under which the weights were trained.
        preprocessing: String.
        licence: String.
        source: String, who trained them and who published the file.
        reported: String, accuracy, and where it was reported.
    """

    format: str
    url: str
    md5: str = None
    no_top_url: str = None
    no_top_md5: str = None
    classes: int = 1000
    pooling_semantics: str = "tf_slim"
    preprocessing: str = "x / 127.5 - 1"
    licence: str = "Apache 2.0"
    source: str = ""
    reported: str = ""

    def fetch(self, top=True):
        """Downloads the file once; returns its path, or the archive's folder.

        Raises:
            nasnet_keras.download.DownloadError: If it cannot be had.
        """
        from nasnet_keras import download

        if self.format == "tf_slim":
            return download.fetch_archive(self.url, self.md5)
        if top or self.no_top_url is None:
            return download.fetch(self.url, self.md5)
        return download.fetch(self.no_top_url, self.no_top_md5)


@dataclasses.dataclass(frozen=True)
class Preset:
    """A network by name.

    Args:
        name: String.
        configuration: Dictionary, arguments of `nasnet_keras.NASNet` where
            they differ from its defaults.
        image_size: Integer, the side of the images in pixels.
        title: String, what the paper calls it.
        published: `Published`, or `None`.
        weights: Dictionary, name -> `Weights`.
        class_names: `"imagenet"`, a tuple of strings, or `None`.
        folder: Path of the folder that it was read from, or `None`.
        test_sized: Whether it stands in for a larger network in tests.
    """

    name: str
    configuration: dict
    image_size: int
    title: str = ""
    published: Published = None
    weights: dict = dataclasses.field(default_factory=dict)
    class_names: object = None
    folder: pathlib.Path = None
    test_sized: bool = False

    @property
    def own_weights(self):
        """What a network of it starts from by default: see `from_preset`."""
        if self.folder and (self.folder / WEIGHTS_FILE).is_file():
            return self.folder / WEIGHTS_FILE
        return next(iter(self.weights), None)

    def to_dict(self):
        """Returns what `config.json` holds."""
        configuration = dict(self.configuration)
        genotype = configuration.get("genotype", NASNET_A)
        configuration["genotype"] = genotype.to_dict()
        return {
            "name": self.name,
            "title": self.title,
            "image_size": self.image_size,
            "class_names": self.class_names,
            "configuration": configuration,
        }

    @classmethod
    def from_dict(cls, data, folder=None):
        """Rebuilds a preset from `to_dict()`."""
        data = dict(data)
        configuration = dict(data["configuration"])
        configuration["genotype"] = Genotype.from_dict(
            configuration["genotype"]
        )
        names = data.get("class_names")
        return cls(
            name=data["name"],
            configuration=configuration,
            image_size=data["image_size"],
            title=data.get("title", ""),
            class_names=tuple(names) if isinstance(names, list) else names,
            folder=folder,
        )


def _keras_weights(size, reported):
    return Weights(
        format="keras_applications",
        url=f"{KERAS}-{size}.h5",
        md5={
            "mobile": "020fb642bf7360b370c678b08e0adf61",
            "large": "11577c9a518f0070763c2b964a382f17",
        }[size],
        no_top_url=f"{KERAS}-{size}-no-top.h5",
        no_top_md5={
            "mobile": "1ed92395b5b598bdda52abe5c0dbfd63",
            "large": "d81d89dc07e6e56530c4e77faddd61b5",
        }[size],
        source="the authors' TF-slim checkpoint, converted for "
        "keras.applications",
        reported=reported,
    )


def _slim_weights(archive, reported):
    return Weights(
        format="tf_slim",
        url=f"{AUTHORS}{archive}.tar.gz",
        source="the authors' TF-slim checkpoint",
        reported=reported,
    )


def _imagenet(name, title, image_size, published, weights=None, **more):
    weights = {"imagenet": weights} if weights else {}
    return Preset(name, more, image_size, title, published, weights, "imagenet")


CIFAR10 = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)


def _cifar(name, title, published, **more):
    configuration = {"stem": "cifar", "classes": 10, **more}
    return Preset(
        name, configuration, 32, title, published, class_names=CIFAR10
    )


def _tiny(name, image_size, **configuration):
    """A network of a family that is quick to build: for tests."""
    configuration = {"cells_per_stack": 1, "filters": 8, **configuration}
    configuration.setdefault("classes", 10)
    return Preset(name, configuration, image_size, test_sized=True)


LARGE = {"stem_filters": 96, "skip_reduction": True, "dropout_rate": 0.5}
AMOEBANET = {"genotype": AMOEBANET_A, "macro": "amoebanet"}
PNASNET = {"genotype": PNASNET_5, "macro": "pnasnet", "skip_reduction": True}
PNAS_PAPER = "arXiv 1712.00559"
AMOEBA_PAPER = "arXiv 1802.01548"
DARTS_PAPER = "arXiv 1806.09055"
CUTOUT = "% error with cutout"

_ALL = (
    _imagenet(
        "nasnet_mobile",
        "NASNet-A (4 @ 1056)",
        224,
        Published("5.3 M", "564 M", "74.0 / 91.6"),
        _keras_weights(
            "mobile",
            "74.0 / 91.6 by the authors at 224, for the checkpoint from "
            "which the file was converted; TF-slim's evaluation",
        ),
        cells_per_stack=4,
        filters=44,
        dropout_rate=0.5,
    ),
    _imagenet(
        "nasnet_large",
        "NASNet-A (6 @ 4032)",
        331,
        Published("88.9 M", "23.8 B", "82.7 / 96.2"),
        _keras_weights(
            "large",
            "82.7 / 96.2 by the authors at 331, for the checkpoint from "
            "which the file was converted; 82.638 / 96.066 by timm for its "
            "conversion of the same checkpoint, crop 0.911",
        ),
        cells_per_stack=6,
        filters=168,
        **LARGE,
    ),
    _imagenet(
        "nasnet_5_1538",
        "NASNet-A (5 @ 1538)",
        299,
        Published("10.9 M", "2.35 B", "78.6 / 94.2"),
        cells_per_stack=5,
        filters=64,
        dropout_rate=0.5,
    ),
    _imagenet(
        "nasnet_7_1920",
        "NASNet-A (7 @ 1920)",
        299,
        Published("22.6 M", "4.93 B", "80.8 / 95.3"),
        cells_per_stack=7,
        filters=80,
        dropout_rate=0.5,
    ),
    _cifar(
        "nasnet_cifar",
        "NASNet-A (6 @ 768)",
        Published("3.3 M", accuracy=f"2.65 {CUTOUT}"),
        cells_per_stack=6,
        filters=32,
    ),
    _cifar(
        "nasnet_cifar_7_2304",
        "NASNet-A (7 @ 2304)",
        Published("27.6 M", accuracy=f"2.40 {CUTOUT}"),
        cells_per_stack=7,
        filters=96,
    ),
    _imagenet(
        "pnasnet_mobile",
        "PNASNet-5 (N = 3, F = 54)",
        224,
        Published("5.1 M", "588 M", "74.2 / 91.9", PNAS_PAPER),
        _slim_weights(
            "pnasnet-5_mobile_2017_12_13", "74.2 / 91.9 by the authors at 224"
        ),
        cells_per_stack=3,
        filters=54,
        dropout_rate=0.5,
        **PNASNET,
    ),
    _imagenet(
        "pnasnet_large",
        "PNASNet-5 (N = 4, F = 216)",
        331,
        Published("86.1 M", "25.0 B", "82.9 / 96.2", PNAS_PAPER),
        _slim_weights(
            "pnasnet-5_large_2017_12_13",
            "82.9 / 96.2 by the authors at 331; 82.814 / 96.032 by timm for "
            "its conversion of the same checkpoint, crop 0.911",
        ),
        cells_per_stack=4,
        filters=216,
        stem_filters=96,
        dropout_rate=0.5,
        **PNASNET,
    ),
    _imagenet(
        "amoebanet_a_mobile",
        "AmoebaNet-A (N = 4, F = 50)",
        224,
        Published("5.1 M", "555 M", "74.5 / 92.0", AMOEBA_PAPER),
        cells_per_stack=4,
        filters=50,
        dropout_rate=0.5,
        **AMOEBANET,
    ),
    _imagenet(
        "amoebanet_a_large",
        "AmoebaNet-A (N = 6, F = 190)",
        331,
        Published("86.7 M", "23.1 B", "82.8 / 96.1", AMOEBA_PAPER),
        cells_per_stack=6,
        filters=190,
        dropout_rate=0.5,
        **AMOEBANET,
    ),
    _cifar(
        "amoebanet_a_cifar",
        "AmoebaNet-A (N = 6, F = 32)",
        Published("2.6 M", accuracy="3.40 % error", source=AMOEBA_PAPER),
        cells_per_stack=6,
        filters=32,
        **AMOEBANET,
    ),
    _cifar(
        "amoebanet_a_cifar_36",
        "AmoebaNet-A (N = 6, F = 36)",
        Published("3.2 M", accuracy="3.34 % error", source=AMOEBA_PAPER),
        cells_per_stack=6,
        filters=36,
        **AMOEBANET,
    ),
    _cifar(
        "enas_cifar",
        "ENAS micro (N = 5, F = 36)",
        Published(
            "4.6 M", accuracy=f"2.89 {CUTOUT}", source="arXiv 1802.03268"
        ),
        cells_per_stack=5,
        filters=36,
        genotype=ENAS,
        macro="enas",
    ),
    _cifar(
        "darts_v1_cifar",
        "DARTS V1 (20 cells, C = 36)",
        Published("3.3 M", accuracy=f"3.00 {CUTOUT}", source=DARTS_PAPER),
        cells_per_stack=6,
        filters=36,
        genotype=DARTS_V1,
        macro="darts",
    ),
    _cifar(
        "darts_v2_cifar",
        "DARTS V2 (20 cells, C = 36)",
        Published("3.3 M", accuracy=f"2.76 {CUTOUT}", source=DARTS_PAPER),
        cells_per_stack=6,
        filters=36,
        genotype=DARTS_V2,
        macro="darts",
    ),
    _imagenet(
        "darts_v2_imagenet",
        "DARTS V2 (14 cells, C = 48)",
        224,
        Published("4.7 M", "574 M", "73.3 / 91.3", DARTS_PAPER),
        cells_per_stack=4,
        filters=48,
        genotype=DARTS_V2,
        macro="darts",
    ),
    _tiny("nasnet_tiny", 32, dropout_rate=0.5),
    _tiny("nasnet_large_tiny", 32, **LARGE),
    _tiny("nasnet_cifar_tiny", 16, filters=4, stem="cifar"),
    _tiny("pnasnet_tiny", 32, **PNASNET),
    _tiny("amoebanet_tiny", 32, **AMOEBANET),
    _tiny(
        "enas_tiny", 16, filters=4, stem="cifar", genotype=ENAS, macro="enas"
    ),
    _tiny(
        "darts_cifar_tiny",
        16,
        filters=4,
        stem="cifar",
        genotype=DARTS_V1,
        macro="darts",
    ),
    _tiny("darts_imagenet_tiny", 32, genotype=DARTS_V2, macro="darts"),
)

PRESETS = {preset.name: preset for preset in _ALL}


def list_presets(test_sized=False):
    """Returns the names of the registered presets.

    Args:
        test_sized: Whether to list the tiny ones for tests too.

    Returns:
        List of strings; `nasnet models` prints their table.
    """
    return [
        name
        for name, preset in PRESETS.items()
        if test_sized or not preset.test_sized
    ]


def get_preset(preset):
    """Returns a preset by name, or from a folder.

    Args:
        preset: `Preset` (returned as it is), a name, or the path of a folder
            that `nasnet_keras.save_preset` wrote.

    Raises:
        ValueError: If it is neither, or the folder's `config.json` is not one.
    """
    if isinstance(preset, Preset):
        return preset
    if str(preset) in PRESETS:
        return PRESETS[str(preset)]
    folder = pathlib.Path(preset)
    config = folder / CONFIG_FILE
    if not config.is_file():
        raise ValueError(
            f"`preset` must be one of {', '.join(list_presets())}, or a folder "
            f"with a {CONFIG_FILE}. Received: preset={str(preset)!r}"
        )
    try:
        return Preset.from_dict(json.loads(config.read_text()), folder)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"`{config}` holds no preset: {error!r}") from error


def find_weights(preset, name):
    """Returns the `Weights` of a name, or `None` where `name` is a path.

    Raises:
        ValueError: If it is `"imagenet"` and the preset has none.
    """
    if isinstance(name, str) and name in preset.weights:
        return preset.weights[name]
    if name == "imagenet":
        having = [n for n, p in PRESETS.items() if "imagenet" in p.weights]
        raise ValueError(
            f"No ImageNet weights are published for {preset.name!r}. There are "
            f"some for {', '.join(having)}. Use `weights=None` (random) or the "
            "path of a file."
        )
    return None


@functools.cache
def figures():
    """Returns the golden figures: preset -> parameters and multiply-adds.

    They are computed by `pretrained/figures.py`; the tests hold the networks
    to them.
    """
    text = (
        importlib.resources.files("nasnet_keras")
        .joinpath("figures.json")
        .read_text()
    )
    return json.loads(text)
