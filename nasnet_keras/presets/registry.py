"""The published networks: arguments, weights and reported figures.

Plain data; `nasnet_keras.presets.types` defines a preset.
"""

from nasnet_keras.genotypes.published import (
    AMOEBANET_A,
    DARTS_V1,
    DARTS_V2,
    ENAS,
    PNASNET_5,
)
from nasnet_keras.presets.types import Preset, Published, Weights

KERAS = (
    "https://storage.googleapis.com/tensorflow/keras-applications/nasnet/NASNet"
)
AUTHORS = "https://storage.googleapis.com/download.tensorflow.org/models/"


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


def _cifar(name, title, published, weights=None, **more):
    configuration = {"stem": "cifar", "classes": 10, **more}
    weights = {"cifar10": weights} if weights else {}
    return Preset(name, configuration, 32, title, published, weights, CIFAR10)


def _tiny(name, image_size, **configuration):
    """A small network of a family, for tests."""
    configuration = {"cells_per_stack": 1, "filters": 8, **configuration}
    configuration.setdefault("classes", 10)
    return Preset(name, configuration, image_size, test_sized=True)


LARGE = {"stem_filters": 96, "skip_reduction": True, "dropout_rate": 0.5}
AMOEBANET = {"genotype": AMOEBANET_A, "macro": "amoebanet"}
PNASNET = {"genotype": PNASNET_5, "macro": "pnasnet"}
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
        Weights(
            format="shipped",
            url="nasnet_cifar_cifar10.weights.h5",
            classes=10,
            source="trained by us",
            reported="90.19% of the 10,000 test "
            "images, by us, for NASNet-A (1 @ 480)",
            configuration={"cells_per_stack": 1, "filters": 20},
        ),
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
