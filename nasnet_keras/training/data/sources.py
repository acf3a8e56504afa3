"""Digits, CIFAR-10 and CIFAR-100 as arrays.

Images are uint8 `(number, height, width, 3)`, labels integers `(number,)`.
"""

import numpy as np

from nasnet_keras.presets.registry import CIFAR10

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
    """Returns images, labels and class names of scikit-learn's 1,797 digits."""
    from sklearn.datasets import load_digits

    data = load_digits()
    gray = np.round(data.images * (255 / 16)).astype("uint8")
    rgb = np.repeat(gray[..., None], 3, axis=-1)
    return rgb, data.target, [str(name) for name in data.target_names]


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
        Training part, test part, class names; a part is a pair of images and
        labels.

    Raises:
        ValueError: If the dataset is absent and cannot be downloaded.
    """
    try:
        import tensorflow  # noqa: F401
        import tensorflow_datasets as tfds
    except ImportError:
        return _keras_cifar(name)
    splits, info = tfds.load(
        name, data_dir=data_dir, batch_size=-1, with_info=True
    )
    parts = [
        (np.asarray(splits[part]["image"]), np.asarray(splits[part]["label"]))
        for part in ("train", "test")
    ]
    return *parts, info.features["label"].names


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
    return *parts, CIFAR_CLASSES[name]
