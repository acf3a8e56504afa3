"""Augmented batches of images in memory, by tf.data or by NumPy.

Both pipelines call the same NumPy function and give the same batches. The
images are held once: batches are cut out of the dataset's own array. Only of
small images a resized copy is kept, if the recipe resizes them.
"""

import threading

import keras
import numpy as np

from nasnet_keras.training.data.resize import resize_images
from nasnet_keras.training.feeds.augmentation import (
    GREY,
    Sampler,
    cut_crops,
    cutout_mask,
    padding,
)
from nasnet_keras.training.feeds.pipelines import NumPyBatches, tf_batches

# Bytes of a resized copy of all images that is kept; else batches are resized.
COPY_LIMIT = 2**28


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
        self._resized = (None, None)
        self._resizing = threading.Lock()

    @property
    def steps_per_epoch(self):
        """Integer, the number of batches of an epoch."""
        return self.sampler.steps_per_epoch

    def side(self, step):
        """Returns the side of the images in a step, in pixels."""
        return self.recipe.size_in(step // self.steps_per_epoch)

    def resized(self, side):
        """Returns all images, resized; keeps them for the next step."""
        with self._resizing:  # Of several threads, one resizes.
            if self._resized[0] != side:
                self._resized = (None, None)  # Not two of them at a time.
                self._resized = (side, resize_images(self.images, side))
            return self._resized[1]

    def resized_side(self, side):
        """Returns the side to which images are resized before the crop."""
        recipe = self.recipe
        upsampled = recipe.upsample and recipe.augmentation == "cifar"
        return side + side // 4 if upsampled else side

    def cropped(self, step, images):
        """Returns the augmented images of a step.

        Args:
            step: Integer.
            images: Sequence of uint8 arrays, resized for the step.

        Returns:
            uint8 array `(batch, side, side, channels)`.
        """
        side, recipe = self.side(step), self.recipe
        draws = self.sampler.draw(step, side)
        offsets, flips = draws.offsets, draws.flips
        if recipe.augmentation == "none":
            offsets, flips = np.zeros_like(offsets), np.zeros_like(flips)
        bordered = recipe.augmentation == "cifar" and not recipe.upsample
        border = padding(side) if bordered else 0
        crops = cut_crops(images, offsets, flips, side, border)
        return self.with_cutout(crops, draws)

    def with_cutout(self, images, draws):
        """Greys a square of each image, if the recipe does so."""
        if not self.recipe.cutout:
            return images
        side = images.shape[1]
        mask = cutout_mask(draws.squares, side, self.recipe.cutout)
        return np.where(mask, images, np.uint8(GREY))

    def arrays(self, step):
        """Returns the images and one-hot labels of a step."""
        indices = self.sampler.indices(step)
        side = self.resized_side(self.side(step))
        if len(self.images) * side * side * 3 > COPY_LIMIT:
            images = resize_images(self.images[indices], side)
        else:
            images = self.resized(side)[indices]
        crops = self.cropped(step, images)
        return crops, self.one_hot(self.labels[indices])

    def batch(self, step):
        """Returns the images and labels of a step, as Keras takes them."""
        images, labels = self.arrays(step)
        return images, self.repeated(labels)

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
        return self.mapped(self.steps(first_step), self.arrays)

    def steps(self, first_step):
        """Returns a `tf.data.Dataset` of the numbers of the steps."""
        import tensorflow as tf

        last = self.recipe.total_steps(self.steps_per_epoch)
        return tf.data.Dataset.range(first_step, last)

    def mapped(self, dataset, function):
        """Returns the batches that a function makes of each element."""
        batch, channels = self.recipe.batch_size, self.images.shape[-1]
        # Not the side: it may grow.
        shapes = ((batch, None, None, channels), (batch, self.classes))
        dtypes = ("uint8", "float32")
        batches = tf_batches(dataset, function, dtypes, shapes, self.workers)
        repeated = batches.map(
            lambda images, labels: (images, self.repeated(labels))
        )
        return repeated.prefetch(2)
