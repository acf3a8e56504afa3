"""Batches of images in memory, augmented: tf.data, or NumPy without it.

Both take what `augmentation.Sampler` drew, and give the same batches.
"""

import keras
import numpy as np

from nasnet_keras.training.augmentation import (
    GREY,
    Sampler,
    crop_positions,
    cutout_mask,
    flip_positions,
    pad_images,
)
from nasnet_keras.training.resize import resize_images

KINDS = ("int32", "int32", "int32", "bool")


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

    def __init__(self, part, classes, recipe, seed, copies=1):
        self.images, self.labels = part
        self.classes = classes
        self.recipe = recipe
        self.copies = copies
        self.sampler = Sampler(len(self.labels), recipe.batch_size, seed)
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
            images = self._make_canvas(side)
            self._canvas = (side, images)
        return images

    def _make_canvas(self, side):
        if self.recipe.augmentation == "none":
            return resize_images(self.images, side)
        if self.recipe.upsample:
            return resize_images(self.images, side + side // 4)
        return pad_images(resize_images(self.images, side))

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
        indices, rows, columns, mask = self.plan(step)
        canvas = self.canvas(self.side(step))
        images = canvas[
            indices[:, None, None], rows[:, :, None], columns[:, None, :]
        ]
        images = np.where(mask, images, np.uint8(GREY))
        labels = np.eye(self.classes, dtype="float32")[self.labels[indices]]
        return images, self._repeated(labels)

    def _repeated(self, labels):
        return labels if self.copies == 1 else (labels,) * self.copies

    def batches(self, first_step=0):
        """Returns the batches from a step on, as `fit` takes them."""
        if keras.backend.backend() == "tensorflow":
            return self.tf_dataset(first_step)
        return NumPyBatches(self, first_step)

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
        ends = np.cumsum(epochs + [self.recipe.epochs - sum(epochs)])
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
            return chosen, self._repeated(one_hot)

        return tf.data.Dataset.range(begin, end).map(
            apply, num_parallel_calls=2, deterministic=True
        )


class NumPyBatches(keras.utils.PyDataset):
    """The batches of a `Feed` from a step on, without end.

    Args:
        feed: `Feed`.
        first_step: Integer.
    """

    def __init__(self, feed, first_step=0):
        super().__init__(workers=2, max_queue_size=16)
        self.feed = feed
        self.first_step = first_step

    @property
    def num_batches(self):
        return None

    def __getitem__(self, index):
        return self.feed.batch(self.first_step + index)
