"""Batches of images that are decoded or cropped one by one."""

import io
import os

import numpy as np

from nasnet_keras.training.data.resize import resize_images
from nasnet_keras.training.feeds.inception import (
    draw_inception,
    inception_image,
)
from nasnet_keras.training.feeds.memory import Feed

SHUFFLE_BUFFER = 8192  # Encoded images: 1 GB of ImageNet.


class DecodingFeed(Feed):
    """The batches of image files, or of arrays with Inception's crops.

    Both pipelines call the same NumPy function in several threads, so they
    give the same images.

    Args: see `Feed`; images may be `ImageFiles`. Without Inception's
        augmentation, each file is read as its `ImageFiles` say.
    """

    workers = os.cpu_count() or 1

    def arrays(self, step):
        """Returns the images and one-hot labels of a step."""
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
        # As in memory: decoded at the dataset's size, then resized.
        images = np.stack([self.images.decode(source) for source in sources])
        resized = resize_images(images, self.resized_side(self.side(step)))
        return self.cropped(step, resized)

    def _inception(self, step, sources):
        side = self.side(step)
        draws = self.sampler.draw(step, side)
        inception_draws = draw_inception(self.sampler.seed, step, len(sources))
        images = [
            inception_image(
                source, inception_draws, index, side, draws.flips[index]
            )
            for index, source in enumerate(sources)
        ]
        return self.with_cutout(np.stack(images), draws)


class StreamFeed(DecodingFeed):
    """The batches of `Records`, read with TensorFlow on every backend.

    Each epoch is shuffled with a buffer of `SHUFFLE_BUFFER` images, seeded
    with the seed and the epoch, so that a resumed training sees the same
    order.

    Args: see `Feed`; images are `Records`, which hold the labels too.
    """

    def batches(self, first_step=0):
        """Returns the batches from a step on, for Keras' `fit`."""
        return self.tf_dataset(first_step)

    def tf_dataset(self, first_step=0):
        """Returns a `tf.data.Dataset` of all batches from a step on."""
        import tensorflow as tf

        epoch, skipped = divmod(first_step, self.steps_per_epoch)
        epochs = tf.data.Dataset.range(epoch, self.recipe.epochs)
        batches = epochs.flat_map(self._shuffler()).skip(skipped)
        numbered = tf.data.Dataset.zip((self.steps(first_step), batches))
        flat = numbered.map(lambda step, batch: (step, *batch))
        return self.mapped(flat, self._decode)

    def _shuffler(self):
        """Returns a function: epoch -> its batches of encoded images."""
        import tensorflow as tf

        examples = self.images.examples()
        # Set in the graph of `shuffled` alone. TensorFlow's `shuffle` fails
        # with a seed of 0.
        seed = self.sampler.seed % (2**31 - 2) + 1

        def shuffled(epoch):
            tf.random.set_seed(seed)
            size = min(SHUFFLE_BUFFER, len(self.images))
            order = examples.shuffle(
                size, seed=epoch, reshuffle_each_iteration=False
            )
            batches = order.batch(self.recipe.batch_size, drop_remainder=True)
            return batches.take(self.steps_per_epoch)

        return shuffled

    def _decode(self, step, encoded, labels):
        images = self.augmented(step, [io.BytesIO(data) for data in encoded])
        return images, self.one_hot(labels)
