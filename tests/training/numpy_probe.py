"""What another backend makes of a training's data, for `test_feed.py`.

    KERAS_BACKEND=jax python -m tests.training.numpy_probe

has imports of TensorFlow fail, trains, and prints hashes of batches.
"""

import hashlib
import json
import sys

STEPS = (0, 21)  # The second is in the second epoch.


def make_feeds():
    """Feeds of either kind on real digits, and what to validate on."""
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
    found = []
    for feed in feeds:
        for step in STEPS:
            images, labels = feed.batch(step)
            content = images.tobytes() + labels.tobytes()
            found.append(hashlib.sha256(content).hexdigest())
    return found


def train(feeds, validation):
    """Trains a little, as one that goes on with its second epoch."""
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
