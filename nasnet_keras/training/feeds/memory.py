"""Augmented batches of images in memory, by tf.data or by NumPy.

Both pipelines use the draws of `augmentation.Sampler` and give the same
batches.
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

PLAN_TYPES = ("int32", "int32", "int32", "bool")  # Of what `Feed.plan` returns.


class Feed:
    """The batches of a training, by the number of the step.

    Args:
        part: Pair: uint8 images `(number, side, side, channels)` and integer
            labels `(number,)`.
        classes: Integer.
        recipe: `Recipe`.
        seed: Integer, of order and augmentation.
        copies: Integer, how often each batch repeats the labels: once per
            output of the network.
    """

    workers = 2

    def __init__(self, part, classes, recipe, seed, copies=1):
        self.images, self.labels = part
        self.classes = classes
        self.recipe = recipe
        self.copies = copies
        self.sampler = Sampler(
            len(self.images),
            recipe.batch_size,
            seed,
            recipe.accumulation_steps,
        )
        self._canvas = (None, None)

    @property
    def steps_per_epoch(self):
        """Integer, the number of batches of an epoch."""
        return self.sampler.steps_per_epoch

    def side(self, step):
        """Returns the side of the images in a step, in pixels."""
        return self.recipe.size_in(step // self.steps_per_epoch)

    def canvas(self, side):
        """Returns all images, resized and padded for crops of a side."""
        cached_side, images = self._canvas
        if cached_side != side:
            resized = resize_images(self.images, self.resized_side(side))
            images = self.padded(resized)
            self._canvas = (side, images)
        return images

    def resized_side(self, side):
        """Returns the side to which images are resized before the crop."""
        recipe = self.recipe
        upsampled = recipe.upsample and recipe.augmentation == "cifar"
        return side + side // 4 if upsampled else side

    def padded(self, images):
        """Returns images with a border if the recipe pads them."""
        recipe = self.recipe
        if recipe.augmentation == "none" or recipe.upsample:
            return images
        return pad_images(images)

    def plan(self, step):
        """Returns the pixels that a step uses.

        Returns:
            Tuple: indices `(batch,)`, rows and columns `(batch, side)`, and
            the cutout mask `(batch, side, side, 1)`, `False` where pixels are
            greyed out.
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
        """Returns the labels, repeated for each output of the network."""
        return labels if self.copies == 1 else (labels,) * self.copies

    def batches(self, first_step=0):
        """Returns the batches from a step on, for Keras' `fit`."""
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
        """Ranges of steps in which all images have the same size."""
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
                    array.astype(dtype)
                    for array, dtype in zip(self.plan(step), PLAN_TYPES)
                ],
                [step],
                PLAN_TYPES,
                stateful=False,
            )
            rows.set_shape((batch, side))
            columns.set_shape((batch, side))
            chosen = tf.gather(canvas, indices)
            chosen = tf.gather(chosen, rows, axis=1, batch_dims=1)
            chosen = tf.gather(chosen, columns, axis=2, batch_dims=1)
            chosen = tf.where(mask, chosen, tf.constant(GREY, tf.uint8))
            # Not the side: other stages have other sides.
            chosen.set_shape((batch, None, None, channels))
            indices.set_shape((batch,))
            one_hot = tf.one_hot(tf.gather(labels, indices), self.classes)
            return chosen, self.repeated(one_hot)

        return tf.data.Dataset.range(begin, end).map(
            apply, num_parallel_calls=2, deterministic=True
        )


def take_pixels(canvas, indices, rows, columns, mask):
    """Returns the images that `Feed.plan` describes, cut from a canvas."""
    images = canvas[
        indices[:, None, None], rows[:, :, None], columns[:, None, :]
    ]
    return np.where(mask, images, np.uint8(GREY))
