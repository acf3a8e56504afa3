"""Children trained from scratch, as in the paper."""

import dataclasses
import time

import keras

from nasnet_keras.layers.drop_path import ScheduledDropPath
from nasnet_keras.search.evaluators.evaluator import Evaluator
from nasnet_keras.search.evaluators.limits import Network
from nasnet_keras.search.evaluators.memory import free_memory
from nasnet_keras.search.evaluators.rewards import Reward
from nasnet_keras.training.feeds.make import make_feed
from nasnet_keras.training.optimizers import (
    allow_unused_weights,
    compile_model,
)
from nasnet_keras.training.recipes import Recipe

IMAGENET_STEM_FROM = 64
# Of a recipe, what plays no part in a child's training.
NOT_OF_CHILDREN = ("auxiliary_weight", "ema", "growing_sizes")


@dataclasses.dataclass(frozen=True)
class ChildRecipe(Recipe):
    """How a child is built and trained.

    The defaults are for trials in seconds; the paper's children (appendix
    A.3) had `cells_per_stack=2, filters=32, epochs=20`.

    Args:
        cells_per_stack: Integer, N.
        filters: Integer, F of the first stack.
        **fields: Those of `nasnet_keras.training.recipes.Recipe`. The size of
            the images is always that of the dataset; a child has no auxiliary
            head, no averages, and a drop path that does not adapt itself.

    Raises:
        ValueError: If a field is out of range, or asks for one of those.
    """

    epochs: int = 3
    batch_size: int = 64
    learning_rate: float = 0.1
    augmentation: str = "none"
    cells_per_stack: int = 1
    filters: int = 8

    def __post_init__(self):
        super().__post_init__()
        for name in ("cells_per_stack", "filters"):
            self._check(name, getattr(self, name) > 0, "positive")
        for name in NOT_OF_CHILDREN:
            none = not getattr(self, name)
            self._check(name, none, "left out: children are trained without")
        self._check_choice("drop_path_schedule", ("linear", "constant"))


def choose_stem(side):
    """Returns the stem for images of a side: ImageNet's from 64 pixels on."""
    return "imagenet" if side >= IMAGENET_STEM_FROM else "cifar"


def build_child(genotype, recipe, dataset):
    """Returns the child network of a genotype for a dataset.

    It takes the images as they are (0 to 255) and gives class probabilities.
    """
    return child_network(recipe, dataset).build(
        genotype,
        drop_path_rate=recipe.drop_path_rate,
        dropout_rate=recipe.dropout_rate,
        include_preprocessing="whiten" if recipe.whiten else True,
        # Few steps: moving statistics must follow faster than ImageNet's.
        batch_norm_momentum=0.9,
        name="child",
    )


def train_child(genotype, recipe, dataset, seed, callbacks=None):
    """Builds and trains a child; returns the model.

    Args:
        genotype: `nasnet_keras.Genotype`.
        recipe: `ChildRecipe`.
        dataset: `nasnet_keras.training.data.dataset.Dataset`.
        seed: Integer, of weights and shuffling.
        callbacks: Optional list of Keras callbacks.
    """
    keras.utils.set_random_seed(seed)
    model = build_child(genotype, recipe, dataset)
    recipe = dataclasses.replace(recipe, image_size=dataset.input_shape[0])
    feed = make_feed(dataset, recipe, seed)
    compile_model(model, recipe, feed.steps_per_epoch)
    callbacks = list(callbacks or ())
    if recipe.drop_path_rate and recipe.drop_path_schedule == "linear":
        steps = recipe.epochs * feed.steps_per_epoch
        callbacks.insert(0, ScheduledDropPath(steps))
    with allow_unused_weights():
        model.fit(
            feed.batches(),
            epochs=recipe.epochs,
            steps_per_epoch=feed.steps_per_epoch,
            shuffle=False,  # The feed has an order of its own.
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


class TrainFromScratch(Evaluator):
    """Evaluates a genotype by the validation accuracy of a trained child.

    Args:
        dataset: `nasnet_keras.training.data.dataset.Dataset`.
        recipe: `ChildRecipe`. Decisions that ride along replace its fields.
        seed: Integer. All children start from it, so that they differ by
            their cells alone.
        stopping: Optional `MedianStopping`. A child that it stops has the
            accuracy that it has reached.
        reward: `Reward`.

    Measurements: `val_accuracy` (0 to 1, after the last epoch), `parameters`,
    `macs`, `epochs` trained, `train_seconds`.
    """

    settings = tuple(
        field.name
        for field in dataclasses.fields(ChildRecipe)
        if field.name not in (*NOT_OF_CHILDREN, "image_size")
    )

    def __init__(
        self,
        dataset,
        recipe=ChildRecipe(),
        seed=0,
        stopping=None,
        reward=Reward(),
    ):
        super().__init__(child_network(recipe, dataset), reward)
        self.dataset = dataset
        self.recipe = recipe
        self.seed = seed
        self.stopping = stopping
        self._earlier = []

    def check(self, space):
        """Refuses a space with a setting that the recipe refuses."""
        super().check(space)
        for decision in space.decisions:
            if decision.name in space.settings:
                for option in decision.options:
                    changed = {decision.name: option}
                    dataclasses.replace(self.recipe, **changed)

    def resume(self, folder, records):
        """Takes the curves to which a child's is compared."""
        self._earlier = records

    def measure(self, genotype, **settings):
        """Trains the child of a genotype."""
        recipe = dataclasses.replace(self.recipe, **settings)
        began = time.time()
        curve = _Curve(self.dataset.validation, self._stops)
        try:
            train_child(genotype, recipe, self.dataset, self.seed, [curve])
        finally:
            curve.set_model(None)
            free_memory()
        measurements = {
            "val_accuracy": curve.accuracies[-1],
            "epochs": len(curve.accuracies),
            "train_seconds": round(time.time() - began, 3),
        }
        return measurements, curve.accuracies

    def _stops(self, curve):
        if self.stopping is None:
            return False
        earlier = [r["curve"] for r in self._earlier if "curve" in r]
        return self.stopping.stops(curve, earlier)

    def describe(self):
        """Returns what the rewards depend on, as JSON can hold it."""
        stopping = self.stopping and self.stopping.describe()
        return {
            **super().describe(),
            "recipe": dataclasses.asdict(self.recipe),
            "stopping": stopping,
            **describe_data(self.dataset),
        }


class _Curve(keras.callbacks.Callback):
    """Measures the validation accuracy after each epoch; may stop there."""

    def __init__(self, part, stops):
        super().__init__()
        self.part = part
        self.stops = stops
        self.accuracies = []

    def on_epoch_end(self, epoch, logs=None):
        self.accuracies.append(accuracy(self.model, self.part))
        if self.stops(self.accuracies):
            self.model.stop_training = True


def child_network(recipe, dataset):
    """Returns the `Network` that children of a recipe are."""
    side, _, channels = dataset.input_shape
    return Network(
        cells_per_stack=recipe.cells_per_stack,
        filters=recipe.filters,
        side=side,
        classes=len(dataset.classes),
        stem=choose_stem(side),
        channels=channels,
    )


def describe_data(dataset):
    """Returns the data, and what computes on it, as JSON can hold it."""
    return {
        "data": {
            "name": dataset.name,
            "sha256": dataset.digest,
            "image_size": dataset.input_shape[0],
        },
        "backend": keras.backend.backend(),
    }
