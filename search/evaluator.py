"""Genotype in, reward and measurements out: a child trained from scratch."""

import dataclasses
import gc
import time

import keras

from nasnet_keras.models import NASNet

IMAGENET_STEM_FROM = 64


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a child is built and trained.

    Args:
        cells_per_stack: Integer, N.
        filters: Integer, F of the first stack.
        epochs: Integer.
        batch_size: Integer.
        learning_rate: Float, the first of a cosine to 0 (SGD, momentum 0.9).
    """

    cells_per_stack: int = 1
    filters: int = 8
    epochs: int = 3
    batch_size: int = 64
    learning_rate: float = 0.1

    def __post_init__(self):
        for name, value in dataclasses.asdict(self).items():
            if not value > 0:
                raise ValueError(
                    f"`{name}` must be positive. Received: {name}={value}"
                )


def choose_stem(side):
    """Returns the stem for images of a side: ImageNet's from 64 pixels on."""
    return "imagenet" if side >= IMAGENET_STEM_FROM else "cifar"


def build_child(genotype, recipe, dataset):
    """Returns the child network of a genotype for a dataset.

    It takes the images as they are (0 to 255) and gives class probabilities.
    """
    images = keras.Input(dataset.input_shape)
    scaled = keras.layers.Rescaling(1 / 127.5, offset=-1)(images)
    # Few steps: moving statistics must follow faster than ImageNet's.
    return NASNet(
        genotype,
        cells_per_stack=recipe.cells_per_stack,
        filters=recipe.filters,
        stem=choose_stem(dataset.input_shape[0]),
        classes=len(dataset.classes),
        input_tensor=scaled,
        batch_norm_momentum=0.9,
        name="child",
    )


def train_child(genotype, recipe, dataset, seed, callbacks=None):
    """Builds and trains a child; returns the model.

    Args:
        genotype: `nasnet_keras.Genotype`.
        recipe: `Recipe`.
        dataset: `nasnet_keras.training.data.Dataset`.
        seed: Integer, of weights and shuffling.
        callbacks: Optional list of Keras callbacks.
    """
    keras.utils.set_random_seed(seed)
    model = build_child(genotype, recipe, dataset)
    x, y = dataset.train
    steps = recipe.epochs * -(-len(y) // recipe.batch_size)
    schedule = keras.optimizers.schedules.CosineDecay(
        recipe.learning_rate, decay_steps=steps
    )
    model.compile(
        keras.optimizers.SGD(schedule, momentum=0.9),
        loss="sparse_categorical_crossentropy",
    )
    # Variables made inside the first step would have TensorFlow trace it
    # twice, which takes longer than the training of a small child.
    model.optimizer.build(model.trainable_variables)
    model.fit(
        x,
        y,
        batch_size=recipe.batch_size,
        epochs=recipe.epochs,
        verbose=0,
        callbacks=callbacks,
    )
    return model


def accuracy(model, part, batch_size=256):
    """Returns the share of images of a dataset's part that are classified."""
    x, y = part
    predicted = model.predict(x, batch_size=batch_size, verbose=0).argmax(
        axis=1
    )
    return float((predicted == y).mean())


class TrainFromScratch:
    """Evaluates a genotype by the validation accuracy of a trained child.

    Args:
        dataset: `nasnet_keras.training.data.Dataset`.
        recipe: `Recipe`.
        seed: Integer. All children start from it, so that they differ by
            their cells alone.

    Call arguments:
        genotype: `nasnet_keras.Genotype`.

    Returns:
        Dictionary: `val_accuracy` (0 to 1, after the last epoch),
        `parameters`, `train_seconds`.
    """

    def __init__(self, dataset, recipe=Recipe(), seed=0):
        self.dataset = dataset
        self.recipe = recipe
        self.seed = seed

    def __call__(self, genotype):
        began = time.time()
        try:
            model = train_child(genotype, self.recipe, self.dataset, self.seed)
            return {
                "val_accuracy": accuracy(model, self.dataset.validation),
                "parameters": model.count_params(),
                "train_seconds": round(time.time() - began, 3),
            }
        finally:
            model = None
            free_memory()

    def describe(self):
        """Returns what the rewards depend on, as JSON can hold it."""
        return {
            "reward": "val_accuracy, trained from scratch",
            "recipe": dataclasses.asdict(self.recipe),
            "data": {
                "name": self.dataset.name,
                "sha256": self.dataset.digest,
                "image_size": self.dataset.input_shape[0],
            },
            "backend": keras.backend.backend(),
        }


def free_memory():
    """Lets go of what a discarded model still holds."""
    keras.utils.clear_session(free_memory=False)
    gc.collect()
