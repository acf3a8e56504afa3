"""Deterministic evaluation batches: all images, in order, not augmented."""

import io
import os

import keras
import numpy as np

from nasnet_keras.images.files import load_image
from nasnet_keras.images.reading import CROP, INTERPOLATION
from nasnet_keras.training.data.resize import resize_images
from nasnet_keras.training.data.tfrecords import Records
from nasnet_keras.training.feeds.pipelines import NumPyBatches, tf_batches


def evaluation_batches(
    part,
    side,
    batch_size,
    crop=None,
    classes=None,
    copies=1,
    interpolation=None,
    channels=3,
):
    """Returns the batches of a part, for `evaluate`, `predict` or validation.

    Args:
        part: A part of a `Dataset`: images and labels.
        side: Integer, pixels.
        batch_size: Integer; the last batch may be smaller.
        crop: How much of image files is kept, see
            `nasnet_keras.images.files`; by default, what the part says. Arrays
            are not cropped.
        classes: Optional integer, for one-hot labels of so many classes.
        copies: Integer, how often each batch repeats the labels.
        interpolation: `"bicubic"` or `"bilinear"`, of images in files; by
            default, what the part says.
        channels: 3 or 1 (grey), of images in files.

    Returns:
        A `tf.data.Dataset` (TensorFlow; streamed images) or
        `keras.utils.PyDataset` of uint8 images `(batch, side, side, channels)`
        and labels: int32 `(batch,)` or float32 `(batch, classes)`.
    """
    feed = EvaluationFeed(
        part, side, batch_size, crop, classes, interpolation, channels
    )
    if isinstance(part[0], Records):
        return feed.streamed(copies)
    if keras.backend.backend() == "tensorflow":
        return feed.tf_dataset(copies)
    return feed.numpy_batches(copies)


class EvaluationFeed:
    """The batches of a part, by their number.

    Args: see `evaluation_batches`.
    """

    workers = os.cpu_count() or 1

    def __init__(
        self,
        part,
        side,
        batch_size,
        crop=None,
        classes=None,
        interpolation=None,
        channels=3,
    ):
        self.images, self.labels = part
        self.side = side
        self.batch_size = batch_size
        self.crop = crop or getattr(self.images, "crop", CROP)
        self.classes = classes
        self.interpolation = interpolation or getattr(
            self.images, "interpolation", INTERPOLATION
        )
        self.channels = channels
        if isinstance(self.images, np.ndarray):
            self.images = resize_images(self.images, side)
            self.channels = self.images.shape[-1]

    def __len__(self):
        return -(-len(self.images) // self.batch_size)

    def batch(self, number):
        """Returns images and labels of a batch, as arrays."""
        first = number * self.batch_size
        chosen = slice(first, first + self.batch_size)
        images = self.images[chosen]
        if not isinstance(images, np.ndarray):
            images = self._cropped(images.path(i) for i in range(len(images)))
        return images, self._targets(self.labels[chosen])

    def _cropped(self, sources):
        how = (self.side, self.crop, self.interpolation, self.channels)
        images = [load_image(file, *how) for file in sources]
        return np.stack(images).astype("uint8")

    def _targets(self, labels):
        """Returns labels as integers, or one-hot with `classes`."""
        if self.classes is None:
            return np.asarray(labels, "int32")
        return np.eye(self.classes, dtype="float32")[labels]

    def _decode(self, encoded, labels):
        images = self._cropped(io.BytesIO(data) for data in encoded)
        return images, self._targets(labels)

    def numpy_batches(self, copies=1):
        """Returns a `keras.utils.PyDataset` of all batches."""

        def repeated(number):
            images, labels = self.batch(number)
            return images, labels if copies == 1 else (labels,) * copies

        return NumPyBatches(repeated, number=len(self), workers=self.workers)

    def tf_dataset(self, copies=1):
        """Returns a `tf.data.Dataset` of all batches."""
        import tensorflow as tf

        return self._mapped(
            tf.data.Dataset.range(len(self)), self.batch, copies
        )

    def streamed(self, copies=1):
        """Returns a `tf.data.Dataset` of all batches of `Records`."""
        encoded = self.images.examples().batch(self.batch_size)
        return self._mapped(encoded, self._decode, copies)

    def _mapped(self, dataset, function, copies):
        one_hot = self.classes is not None
        images = (None, None, None, self.channels)
        labels = (None, self.classes) if one_hot else (None,)
        dtypes = ("uint8", "float32" if one_hot else "int32")
        shapes = (images, labels)
        batches = tf_batches(dataset, function, dtypes, shapes, self.workers)
        if copies > 1:
            batches = batches.map(lambda x, y: (x, (y,) * copies))
        return batches.prefetch(2)
