"""Batches whose images are decoded, or cropped in any shape, one by one."""

import io
import os

import numpy as np

from nasnet_keras.images.files import load_image
from nasnet_keras.training.feeds.augmentation import GREY, cutout_mask
from nasnet_keras.training.feeds.feed import Feed, take_pixels
from nasnet_keras.training.feeds.inception import (
    draw_inception,
    inception_image,
)
from nasnet_keras.training.feeds.pipelines import tf_batches

# Encoded images from which the next one of a stream is drawn: 1 GB of ImageNet.
SHUFFLED = 8192


class DecodingFeed(Feed):
    """The batches of image files, or of arrays that are cropped in any shape.

    Either pipeline calls `batch` in several threads, and so gives the same
    images.

    Args: see `Feed`; images may be `ImageFiles`. Those keep their proportions:
        where the recipe does not crop in any shape, their middle is taken.
    """

    workers = os.cpu_count() or 1

    def batch(self, step):
        """Returns the images and one-hot labels of a step, as arrays."""
        images, labels = self._arrays(step)
        return images, self.repeated(labels)

    def _arrays(self, step):
        indices = self.sampler.indices(step)
        if isinstance(self.images, np.ndarray):
            sources = list(self.images[indices])
        else:
            sources = [self.images.path(index) for index in indices]
        labels = self.one_hot(self.labels[indices])
        return self.augmented(step, sources), labels

    def augmented(self, step, sources):
        """Returns the images of a step, uint8 `(batch, side, side, 3)`.

        Args:
            step: Integer.
            sources: List of paths, binary files or uint8 arrays.
        """
        if self.recipe.augmentation == "inception":
            return self._inception(step, sources)
        side = self.resized_side(self.side(step))
        images = [load_image(source, side, crop=1.0) for source in sources]
        canvas = self.padded(np.stack(images).astype("uint8"))
        _, *pixels = self.plan(step)
        return take_pixels(canvas, np.arange(len(sources)), *pixels)

    def _inception(self, step, sources):
        side = self.side(step)
        draws = self.sampler.draw(step, side)
        more = draw_inception(self.sampler.seed, step, len(sources))
        images = [
            inception_image(source, more, index, side, draws.flips[index])
            for index, source in enumerate(sources)
        ]
        images = np.stack(images)
        if not self.recipe.cutout:
            return images
        mask = cutout_mask(draws.squares, side, self.recipe.cutout)
        return np.where(mask, images, np.uint8(GREY))

    def tf_dataset(self, first_step=0):
        """Returns a `tf.data.Dataset` of all batches from a step on."""
        return self._mapped(self._steps(first_step), self._arrays)

    def _steps(self, first_step):
        import tensorflow as tf

        last = self.recipe.epochs * self.steps_per_epoch
        return tf.data.Dataset.range(first_step, last)

    def _mapped(self, dataset, function):
        batch = self.recipe.batch_size
        shapes = ((batch, None, None, 3), (batch, self.classes))
        kinds = ("uint8", "float32")
        batches = tf_batches(dataset, function, kinds, shapes, self.workers)
        repeated = batches.map(
            lambda images, labels: (images, self.repeated(labels))
        )
        return repeated.prefetch(2)


class StreamFeed(DecodingFeed):
    """The batches of `Records`, read with TensorFlow on any backend.

    Each epoch has an order of its own, in which an image moves by at most a
    few thousand places: from the seed and the epoch, so that a training goes
    on as it would have.

    Args: see `Feed`; images are `Records`, which hold the labels too.
    """

    def batches(self, first_step=0):
        """Returns the batches from a step on, as `fit` takes them."""
        return self.tf_dataset(first_step)

    def tf_dataset(self, first_step=0):
        """Returns a `tf.data.Dataset` of all batches from a step on."""
        import tensorflow as tf

        epoch, rest = divmod(first_step, self.steps_per_epoch)
        epochs = tf.data.Dataset.range(epoch, self.recipe.epochs)
        batches = epochs.flat_map(self._shuffler()).skip(rest)
        numbered = tf.data.Dataset.zip((self._steps(first_step), batches))
        flat = numbered.map(lambda step, batch: (step, *batch))
        return self._mapped(flat, self._decode)

    def _shuffler(self):
        """Function from an epoch to its batches of encoded images."""
        import tensorflow as tf

        examples = self.images.examples()
        # Only of the graph of `shuffled`; TensorFlow fails at 0.
        seed = self.sampler.seed % (2**31 - 2) + 1

        def shuffled(epoch):
            tf.random.set_seed(seed)
            size = min(SHUFFLED, len(self.images))
            order = examples.shuffle(
                size, seed=epoch, reshuffle_each_iteration=False
            )
            return order.batch(self.recipe.batch_size, drop_remainder=True)

        return shuffled

    def _decode(self, step, encoded, labels):
        images = self.augmented(step, [io.BytesIO(data) for data in encoded])
        return images, self.one_hot(labels)
