"""Whole datasets as arrays: digits, CIFAR-10 and CIFAR-100, `.npz` files.

Each function returns the training and the test part, pairs of uint8 images
`(number, height, width, 3)` and integer labels `(number,)`, and the names of
the classes.
"""

import numpy as np

NPZ_KEYS = (
    "train_images",
    "train_labels",
    "test_images",
    "test_labels",
    "classes",
)
CIFAR10 = "airplane automobile bird cat deer dog frog horse ship truck"
# The 100 fine classes, in the order of their labels.
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
    "cifar10": tuple(CIFAR10.split()),
    "cifar100": tuple(CIFAR100.split()),
}


def read_digits():
    """Returns scikit-learn's 1,797 digits: images, labels, names; one part."""
    from sklearn.datasets import load_digits

    data = load_digits()
    gray = np.round(data.images * (255 / 16)).astype("uint8")
    rgb = np.repeat(gray[..., None], 3, axis=-1)
    return rgb, data.target, [str(name) for name in data.target_names]


def read_cifar(name, data_dir=None):
    """Reads CIFAR-10 or CIFAR-100 (its 100 fine classes).

    TensorFlow Datasets reads it where that and TensorFlow are installed, and
    `keras.datasets` elsewhere. Both hold the same images but not in the same
    order: a training gives another curve, and splits hold other images.
    `nasnet convert-data` carries one order everywhere.

    Args:
        name: `"cifar10"` or `"cifar100"`.
        data_dir: Optional path, where TensorFlow Datasets keeps its data.
            `keras.datasets` has its own place, below `KERAS_HOME`.

    Returns:
        Training part, test part, names of the classes.

    Raises:
        ValueError: If it is neither here nor can be downloaded.
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
    except Exception as error:  # Keras raises no narrower one.
        raise ValueError(
            f"The dataset {name!r} cannot be downloaded by keras.datasets: "
            f"{error}. Give a file that `nasnet convert-data` wrote, or "
            "install tensorflow and tensorflow-datasets if they have it."
        ) from error
    if keras.config.image_data_format() == "channels_first":
        parts = [(np.moveaxis(images, 1, -1), y) for images, y in parts]
    # Keras gives labels of shape (number, 1).
    parts = [(images, y.reshape(-1).astype("int64")) for images, y in parts]
    return *parts, CIFAR_CLASSES[name]


def read_npz(path):
    """Reads a file that `nasnet convert-data` wrote.

    Args:
        path: Path of the `.npz` file, with the arrays of `NPZ_KEYS`.

    Returns:
        Training part, test part, names of the classes.

    Raises:
        ValueError: If the file cannot be read, or is not such a file; the
            message says what is wrong.
    """
    try:
        # Of a damaged file NumPy would leave its own handle open.
        with open(path, "rb") as handle, np.load(handle) as file:
            missing = [key for key in NPZ_KEYS if key not in file.files]
            arrays = {key: file[key] for key in NPZ_KEYS if key in file.files}
    except Exception as error:  # Of damaged files it raises nearly anything.
        raise ValueError(f"{path} cannot be read: {error}") from error
    if missing:
        raise ValueError(
            f"{path} has no {', '.join(missing)}. Write it with "
            "`nasnet convert-data`."
        )
    classes = [str(name) for name in arrays["classes"]]
    parts = [
        (arrays[f"{part}_images"], arrays[f"{part}_labels"])
        for part in ("train", "test")
    ]
    for part, (images, labels) in zip(("train", "test"), parts):
        _check(path, part, images, labels, len(classes))
    return *parts, classes


def _check(path, part, images, labels, classes):
    height, width = (*images.shape, 0, 0)[1:3]
    if images.dtype != np.uint8 or images.ndim != 4 or height != width:
        raise ValueError(
            f"`{part}_images` of {path} must be uint8 of shape (number, side, "
            f"side, channels). Received: {images.dtype} {images.shape}"
        )
    fine = labels.shape == images.shape[:1] and labels.dtype.kind in "iu"
    if not fine or (labels < 0).any() or (labels >= classes).any():
        raise ValueError(
            f"`{part}_labels` of {path} must be integers of shape "
            f"({len(images)},), from 0 to below {classes}, the number of its "
            f"`classes`. Received: {labels.dtype} {labels.shape}"
        )
