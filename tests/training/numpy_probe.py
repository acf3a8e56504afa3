"""Trains on another backend and prints hashes of batches, for `test_make.py`.

    KERAS_BACKEND=jax python -m tests.training.numpy_probe

Imports of TensorFlow fail in it.
"""

import hashlib
import json
import sys

STEPS = (0, 21)  # The second is in the second epoch.


def make_feeds():
    """Feeds of both kinds on real digits, and validation batches."""
    from nasnet_keras.training.data import load_dataset
    from nasnet_keras.training.feeds.evaluation import evaluation_batches
    from nasnet_keras.training.feeds.make import make_feed
    from nasnet_keras.training.recipes.recipe import Recipe

    dataset = load_dataset("digits", image_size=8)
    feeds = [
        make_feed(
            dataset, Recipe(2, 64, 0.1, image_size=8, augmentation=name), 3
        )
        for name in ("cifar", "inception")
    ]
    return feeds, evaluation_batches(dataset.validation, 8, 50, classes=10)


def hashes(feeds):
    """SHA-256 of some batches of each feed."""
    digests = []
    for feed in feeds:
        for step in STEPS:
            images, labels = feed.batch(step)
            content = images.tobytes() + labels.tobytes()
            digests.append(hashlib.sha256(content).hexdigest())
    return digests


def train(feeds, validation):
    """Trains the second epoch, as a resumed training does."""
    import keras

    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(10)])
    model.compile("sgd", keras.losses.CategoricalCrossentropy(True))
    for feed in feeds:
        history = model.fit(
            feed.batches(feed.steps_per_epoch),
            epochs=2,
            initial_epoch=1,
            steps_per_epoch=feed.steps_per_epoch,
            validation_data=validation,
            verbose=0,
        )
        assert "val_loss" in history.history


def main():
    for name in ("tensorflow", "tensorflow_datasets"):
        sys.modules[name] = None
    feeds, validation = make_feeds()
    train(feeds, validation)
    print(json.dumps(hashes(feeds)))


if __name__ == "__main__":
    main()
