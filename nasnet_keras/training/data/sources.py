"""Digits, CIFAR-10 and CIFAR-100 as arrays.

Images are uint8 `(number, height, width, 3)`, labels integers `(number,)`.
"""

import urllib.error
import urllib.request

import numpy as np

from nasnet_keras.presets.registry import CIFAR10
from nasnet_keras.training.data.splits import Parts

TIMEOUT = 10  # Seconds until a server counts as not reachable.

# In the order of the labels.
CIFAR100 = """
    apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy
    bridge bus butterfly camel can castle caterpillar cattle chair chimpanzee
    clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant
    flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower
    leopard lion lizard lobster man maple_tree motorcycle mountain mouse
    mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree
    plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea
    seal shark shrew skunk skyscraper snail snake spider squirrel streetcar
    sunflower sweet_pepper table tank telephone television tiger tractor train
    trout tulip turtle wardrobe whale willow_tree wolf woman worm
"""
CIFAR_CLASSES = {
    "cifar10": CIFAR10,
    "cifar100": tuple(CIFAR100.split()),
}


def read_digits():
    """Returns the `Parts` of scikit-learn's 1,797 digits, not yet split."""
    from sklearn.datasets import load_digits

    data = load_digits()
    gray = np.round(data.images * (255 / 16)).astype("uint8")
    rgb = np.repeat(gray[..., None], 3, axis=-1)
    classes = [str(name) for name in data.target_names]
    return Parts((rgb, data.target), None, None, classes)


def read_cifar(name, data_dir=None):
    """Reads CIFAR-10 or CIFAR-100 (its 100 fine classes).

    Uses TensorFlow Datasets where it and TensorFlow are installed, else
    `keras.datasets`. Both hold the same images in different orders, so splits
    and training curves differ. A file of `nasnet convert-data` has the same
    order everywhere.

    Args:
        name: `"cifar10"` or `"cifar100"`.
        data_dir: Optional path, where TensorFlow Datasets keeps its data.
            `keras.datasets` keeps its data below `KERAS_HOME`.

    Returns:
        `Parts`.

    Raises:
        ValueError: If the dataset is absent and cannot be downloaded.
    """
    try:
        import tensorflow  # noqa: F401
        import tensorflow_datasets as tfds
    except ImportError:
        return _keras_cifar(name)
    builder = tfds.builder(name, data_dir=data_dir)
    if not builder.info.splits:
        _check_download(name, builder)
        builder.download_and_prepare()
    splits = builder.as_dataset(batch_size=-1)
    train, test = (
        (np.asarray(splits[part]["image"]), np.asarray(splits[part]["label"]))
        for part in ("train", "test")
    )
    return Parts(train, None, test, builder.info.features["label"].names)


def _check_download(name, builder):
    """Raises ValueError if the server cannot be reached.

    TensorFlow Datasets would try again and again for minutes.
    """
    for url in builder.url_infos:
        request = urllib.request.Request(url, method="HEAD")
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT):
                pass
        except urllib.error.HTTPError:
            pass  # It answers.
        except OSError as error:
            raise ValueError(
                f"The dataset {name!r} is not in {builder.data_dir} and cannot "
                f"be downloaded from {url}: {error}. Give the folder that "
                "holds it as `data_dir`, or a file that `nasnet convert-data` "
                "wrote as the data."
            ) from error


def _keras_cifar(name):
    import keras

    try:
        parts = getattr(keras.datasets, name).load_data()
    except Exception as error:  # Keras raises plain `Exception`.
        raise ValueError(
            f"The dataset {name!r} cannot be downloaded by keras.datasets: "
            f"{error}. Give a file that `nasnet convert-data` wrote, or "
            "install tensorflow and tensorflow-datasets, which may have it."
        ) from error
    if keras.config.image_data_format() == "channels_first":
        parts = [(np.moveaxis(images, 1, -1), y) for images, y in parts]
    # Keras gives labels of shape (number, 1).
    parts = [(images, y.reshape(-1).astype("int64")) for images, y in parts]
    train, test = parts
    return Parts(train, None, test, CIFAR_CLASSES[name])
