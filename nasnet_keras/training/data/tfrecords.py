"""ImageNet as TensorFlow Datasets prepared it: read as it streams by."""

import hashlib

# Which splits are the training and the test part: ImageNet's own test images
# have no labels.
STREAMED = {"imagenet2012": ("train", "validation")}


class Records:
    """Labelled images in TFRecord files, in the order in which they lie there.

    Args:
        builder: `tfds.core.DatasetBuilder`, prepared.
        split: String, the name of a split.
        start, stop: Integers, which of its images.
        side: Integer, the side of the images that batches are made of.
    """

    def __init__(self, builder, split, start, stop, side):
        self.builder = builder
        self.split = split
        self.start = start
        self.stop = stop
        self.side = side

    def __len__(self):
        return self.stop - self.start

    @property
    def shape(self):
        """`(number, side, side, 3)`, as of an array with all of them."""
        return (len(self), self.side, self.side, 3)

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
        """Returns bytes that tell these images from others.

        They follow from the version of the dataset and the number of images in
        each file. Contents are not read: that would take as long as an epoch.
        """
        lengths = self.builder.info.splits[self.split].shard_lengths
        text = (
            f"{self.builder.info.full_name} {self.split} {lengths} "
            f"{self.start} {self.stop}"
        )
        return hashlib.sha256(text.encode()).digest()


def open_records(name, data_dir, side, validation_split, images=None):
    """Opens a dataset that is read as it streams by.

    Args:
        name: One of `STREAMED`.
        data_dir: Optional path, where TensorFlow Datasets keeps its data.
        side: Integer, pixels.
        validation_split: Float from 0 to below 1. The images to validate on
            are the last ones of the training split, whose order TensorFlow
            Datasets shuffled once for all.
        images: Optional integer: use only so many training images.

    Returns:
        Training, validation and test part as `Records`; names of the classes.

    Raises:
        ValueError: If TensorFlow is missing, or the dataset is not prepared.
    """
    builder = _builder(name, data_dir)
    training, test = STREAMED[name]
    there = builder.info.splits[training].num_examples
    if images is not None and not 0 < images <= there:
        raise ValueError(
            f"`images` must be from 1 to {there}, the training images that "
            f"there are. Received: images={images}"
        )
    number = images or there
    kept = number - round(validation_split * number)
    return (
        Records(builder, training, 0, kept, side),
        Records(builder, training, kept, number, side),
        Records(builder, test, 0, builder.info.splits[test].num_examples, side),
        builder.info.features["label"].names,
    )


def _builder(name, data_dir):
    try:
        import tensorflow  # noqa: F401
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise ValueError(
            f"The dataset {name!r} is read with tensorflow and "
            f"tensorflow-datasets, which cannot be imported: {error}. Install "
            "them, or give a folder of images, which needs neither."
        ) from error
    builder = tfds.builder(name, data_dir=data_dir)
    if not builder.info.splits:
        raise ValueError(
            f"The dataset {name!r} is not prepared in {builder.data_dir}. Have "
            "TensorFlow Datasets prepare it there (its `manual_dir` takes "
            "ImageNet's own archives), or give `data_dir`."
        )
    return builder
