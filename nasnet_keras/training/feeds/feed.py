"""Batches of images in memory, augmented: tf.data, or NumPy without it.

Both take what `augmentation.Sampler` drew, and give the same batches.
`make_feed` has the right feed for any dataset.
"""

import keras
import numpy as np

from nasnet_keras.training.data.resize import resize_images
from nasnet_keras.training.feeds.augmentation import (
    GREY,
    Sampler,
    crop_positions,
    cutout_mask,
    flip_positions,
    pad_images,
)
from nasnet_keras.training.feeds.pipelines import NumPyBatches

KINDS = ("int32", "int32", "int32", "bool")


def make_feed(dataset, recipe, seed, copies=1):
    """Returns the feed of a dataset's training part.

    Args:
        dataset: `nasnet_keras.training.data.dataset.Dataset`.
        recipe: `Recipe`.
        seed: Integer, of order and augmentation.
        copies: Integer, how often the labels are given.
    """
    from nasnet_keras.training.data.tfrecords import Records
    from nasnet_keras.training.feeds.decoding import DecodingFeed, StreamFeed

    images = dataset.train[0]
    if isinstance(images, Records):
        kind = StreamFeed
    elif isinstance(images, np.ndarray) and recipe.augmentation != "inception":
        kind = Feed
    else:
        kind = DecodingFeed
    return kind(dataset.train, len(dataset.classes), recipe, seed, copies)


class Feed:
    """The batches of a whole training, by the number of the step.

    Args:
        part: Pair: uint8 images `(number, side, side, channels)` and integer
            labels `(number,)`.
        classes: Integer.
        recipe: `Recipe`.
        seed: Integer, of order and augmentation.
        copies: Integer, how often the labels are given: once per output of
            the network.
    """

    workers = 2

    def __init__(self, part, classes, recipe, seed, copies=1):
        self.images, self.labels = part
        self.classes = classes
        self.recipe = recipe
        self.copies = copies
        self.sampler = Sampler(len(self.images), recipe.batch_size, seed)
        self._canvas = (None, None)

    @property
    def steps_per_epoch(self):
        """Integer, batches of an epoch."""
        return self.sampler.steps_per_epoch

    def side(self, step):
        """Returns the side of the images of a step, in pixels."""
        return self.recipe.size_in(step // self.steps_per_epoch)

    def canvas(self, side):
        """Returns all images in the size from which crops are cut."""
        known, images = self._canvas
        if known != side:
            resized = resize_images(self.images, self.resized_side(side))
            images = self.padded(resized)
            self._canvas = (side, images)
        return images

    def resized_side(self, side):
        """Returns the side to which images are resized before all else."""
        recipe = self.recipe
        upsampled = recipe.upsample and recipe.augmentation == "cifar"
        return side + side // 4 if upsampled else side

    def padded(self, images):
        """Returns images with a border, where the recipe wants one."""
        recipe = self.recipe
        if recipe.augmentation == "none" or recipe.upsample:
            return images
        return pad_images(images)

    def plan(self, step):
        """Returns which pixels a step takes.

        Returns:
            Tuple: indices `(batch,)`, rows and columns `(batch, side)`, and
            the mask of what is not cut out, `(batch, side, side, 1)`.
        """
        side = self.side(step)
        draws = self.sampler.draw(step, side)
        offsets, flips = draws.offsets, draws.flips
        if self.recipe.augmentation == "none":
            offsets, flips = np.zeros_like(offsets), np.zeros_like(flips)
        rows, columns = crop_positions(offsets, side)
        columns = flip_positions(columns, flips)
        mask = cutout_mask(draws.squares, side, self.recipe.cutout)
        return draws.indices, rows, columns, mask

    def batch(self, step):
        """Returns the images and one-hot labels of a step, as arrays."""
        indices, *pixels = self.plan(step)
        images = take_pixels(self.canvas(self.side(step)), indices, *pixels)
        return images, self.repeated(self.one_hot(self.labels[indices]))

    def one_hot(self, labels):
        """Returns float32 `(batch, classes)`."""
        return np.eye(self.classes, dtype="float32")[labels]

    def repeated(self, labels):
        """Returns labels once per output of the network."""
        return labels if self.copies == 1 else (labels,) * self.copies

    def batches(self, first_step=0):
        """Returns the batches from a step on, as `fit` takes them."""
        if keras.backend.backend() == "tensorflow":
            return self.tf_dataset(first_step)
        return NumPyBatches(self.batch, first_step, workers=self.workers)

    def tf_dataset(self, first_step=0):
        """Returns a `tf.data.Dataset` of all batches from a step on."""
        dataset = None
        for begin, end in self._stages():
            if end > first_step:
                stage = self._tf_stage(max(begin, first_step), end)
                first = dataset is None
                dataset = stage if first else dataset.concatenate(stage)
        return dataset.prefetch(4)

    def _stages(self):
        """Ranges of steps in which the images have one size."""
        epochs = [n for n, _ in self.recipe.growing_sizes]
        ends = np.cumsum([*epochs, self.recipe.epochs - sum(epochs)])
        ends = [int(end) * self.steps_per_epoch for end in ends]
        return list(zip([0, *ends], ends))

    def _tf_stage(self, begin, end):
        import tensorflow as tf

        side, channels = self.side(begin), self.images.shape[-1]
        batch = self.recipe.batch_size
        canvas = tf.constant(self.canvas(side))
        labels = tf.constant(self.labels, "int32")

        def apply(step):
            indices, rows, columns, mask = tf.numpy_function(
                lambda step: [
                    part.astype(kind)
                    for part, kind in zip(self.plan(step), KINDS)
                ],
                [step],
                KINDS,
                stateful=False,
            )
            rows.set_shape((batch, side))
            columns.set_shape((batch, side))
            chosen = tf.gather(canvas, indices)
            chosen = tf.gather(chosen, rows, axis=1, batch_dims=1)
            chosen = tf.gather(chosen, columns, axis=2, batch_dims=1)
            chosen = tf.where(mask, chosen, tf.constant(GREY, tf.uint8))
            # No size: that of the next stage is another.
            chosen.set_shape((batch, None, None, channels))
            indices.set_shape((batch,))
            one_hot = tf.one_hot(tf.gather(labels, indices), self.classes)
            return chosen, self.repeated(one_hot)

        return tf.data.Dataset.range(begin, end).map(
            apply, num_parallel_calls=2, deterministic=True
        )


def take_pixels(canvas, indices, rows, columns, mask):
    """Returns the images that a `Feed.plan` takes out of a canvas."""
    images = canvas[
        indices[:, None, None], rows[:, :, None], columns[:, None, :]
    ]
    return np.where(mask, images, np.uint8(GREY))
