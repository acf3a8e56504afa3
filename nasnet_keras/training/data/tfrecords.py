"""ImageNet as TensorFlow Datasets prepared it, streamed from TFRecords."""

import hashlib
import pathlib

from nasnet_keras.images.files import load_image
from nasnet_keras.images.reading import CROP, INTERPOLATION
from nasnet_keras.training.data.splits import check_subset_size

# The splits used as training and test part: the images of ImageNet's own test
# split have no labels.
STREAMED = {"imagenet2012": ("train", "validation")}


class Records:
    """Labelled images in TFRecord files, in the order of the files.

    Args:
        builder: `tfds.core.DatasetBuilder`, prepared.
        split: String, the name of a split.
        start, stop: Integers, the range of its images.
        side: Integer, the side of the images in batches, in pixels.
        crop, interpolation: How they are read, see `nasnet_keras.images.files`.
    """

    def __init__(
        self,
        builder,
        split,
        start,
        stop,
        side,
        crop=CROP,
        interpolation=INTERPOLATION,
    ):
        self.builder = builder
        self.split = split
        self.start = start
        self.stop = stop
        self.side = side
        self.crop = crop
        self.interpolation = interpolation

    def __len__(self):
        return self.stop - self.start

    @property
    def shape(self):
        """`(number, side, side, 3)`, the shape of an array of the images."""
        return (len(self), self.side, self.side, 3)

    def first(self, number):
        """Returns the first images, `number` of them, as `Records`."""
        return Records(
            *(self.builder, self.split, self.start, self.start + number),
            *(self.side, self.crop, self.interpolation),
        )

    def decode(self, source):
        """Returns an encoded image as these are read; see `ImageFiles`."""
        how = (self.side, self.crop, self.interpolation)
        return load_image(source, *how).astype("uint8")

    def examples(self):
        """Returns a `tf.data.Dataset` of encoded images and labels."""
        import tensorflow_datasets as tfds

        dataset = self.builder.as_dataset(
            split=f"{self.split}[{self.start}:{self.stop}]",
            decoders={"image": tfds.decode.SkipDecoding()},
            shuffle_files=False,
        )
        return dataset.map(lambda example: (example["image"], example["label"]))

    def fingerprint(self):
        """Returns bytes that identify these images.

        Computed from the version of the dataset and the number of images in
        each file: reading the contents would take as long as an epoch.
        """
        lengths = self.builder.info.splits[self.split].shard_lengths
        text = (
            f"{self.builder.info.full_name} {self.split} {lengths} "
            f"{self.start} {self.stop}"
        )
        return hashlib.sha256(text.encode()).digest()


def open_records(
    name,
    data_dir,
    side,
    validation_split,
    images=None,
    reading=(CROP, INTERPOLATION),
    older_draw=False,
):
    """Opens a streamed dataset.

    Args:
        name: One of `STREAMED`.
        data_dir: Optional path, where TensorFlow Datasets keeps its data.
        side: Integer, pixels.
        validation_split: Float from 0 to below 1. The validation images are
            the last ones of the training split, whose order TensorFlow
            Datasets shuffled when it prepared the dataset.
        images: Optional integer, the number of training images to use: the
            first ones to train on, and the same share of those to validate.
        reading: Pair: crop and interpolation.
        older_draw: Whether the validation images are the last ones of the
            first `images`, see `older`.

    Returns:
        Training, validation and test part as `Records`; class names.

    Raises:
        ValueError: If TensorFlow is missing, or the dataset is not prepared.
    """
    builder = _builder(name, data_dir)
    training, test = STREAMED[name]
    number = builder.info.splits[training].num_examples
    used = number if images is None else check_subset_size(images, number)
    validated = round(validation_split * used)
    first = used if older_draw else number - round(validation_split * number)
    first -= validated if older_draw else 0
    tested = builder.info.splits[test].num_examples
    return (
        Records(builder, training, 0, used - validated, side, *reading),
        Records(builder, training, first, first + validated, side, *reading),
        Records(builder, test, 0, tested, side, *reading),
        builder.info.features["label"].names,
    )


def open_test_records(name, data_dir, side):
    """Opens the test part of a streamed dataset.

    The training images need not be prepared. Nothing is downloaded.

    Args: see `open_records`.

    Returns:
        `Records`.

    Raises:
        ValueError: If TensorFlow is missing, or the dataset is not prepared.
    """
    if data_dir is None:
        builder = _builder(name, data_dir)
    else:
        builder = _prepared_builder(name, data_dir)
    split = STREAMED[name][1]
    if split not in builder.info.splits:
        raise ValueError(
            f"{builder.data_dir} has no split `{split}`. "
            f"Received: {sorted(builder.info.splits)}"
        )
    number = builder.info.splits[split].num_examples
    return Records(builder, split, 0, number, side)


def _prepared_builder(name, data_dir):
    """Reads what the folder holds, of any version and with any features."""
    folder = pathlib.Path(data_dir)
    versions = sorted(folder.glob(f"{name}/*/dataset_info.json"))
    if not versions:
        raise ValueError(
            f"`data_dir` {folder} holds no prepared {name} (looked for "
            f"{name}/VERSION/dataset_info.json). Prepare it with "
            f"`tfds build {name}`, which needs the official archives, or give "
            "a folder of images as the data."
        )
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise ValueError(_needs_tensorflow(name, error)) from error
    return tfds.builder_from_directory(versions[-1].parent)


def _builder(name, data_dir):
    try:
        import tensorflow  # noqa: F401
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise ValueError(_needs_tensorflow(name, error)) from error
    builder = tfds.builder(name, data_dir=data_dir)
    if not builder.info.splits:
        raise ValueError(
            f"The dataset {name!r} is not prepared in {builder.data_dir}. "
            "Prepare it with TensorFlow Datasets (its `manual_dir` takes "
            "ImageNet's own archives), or give `data_dir`."
        )
    return builder


def _needs_tensorflow(name, error):
    return (
        f"The dataset {name!r} is read with tensorflow and "
        f"tensorflow-datasets, which cannot be imported: {error}. Install "
        "them, or give a folder of images, which needs neither."
    )
