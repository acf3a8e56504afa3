"""Children trained from scratch, as in the paper."""

import dataclasses
import math
import time
from typing import Any

import keras

from nasnet_keras import checks
from nasnet_keras.genotypes import Genotype
from nasnet_keras.search.evaluators.children import (
    STATISTICS,
    UNSUPPORTED,
    ChildRecipe,
    accuracy,
    check_child_data,
    child_network,
    train_child,
)
from nasnet_keras.search.evaluators.evaluator import Evaluator, describe_data
from nasnet_keras.search.evaluators.memory import free_memory
from nasnet_keras.search.evaluators.rewards import Reward
from nasnet_keras.search.evaluators.stopping import MedianStopping
from nasnet_keras.training.data.dataset import Dataset


class TrainFromScratch(Evaluator):
    """Evaluates a genotype by the validation accuracy of a trained child.

    Args:
        dataset: `nasnet_keras.training.data.dataset.Dataset`.
        recipe: `ChildRecipe`. Searched settings replace its fields.
        seed: Integer, the same for all children, so that they differ by their
            cells alone.
        stopping: Optional `MedianStopping`. A child that it stops keeps the
            accuracy of its last epoch.
        reward: `Reward`.

    Measurements: `val_accuracy` (0 to 1, after the last epoch), `parameters`,
    `macs`, `epochs` trained, `train_seconds`.

    Raises:
        ValueError: If the dataset has no validation images, or fewer training
            images than a batch.
    """

    settings = tuple(
        field.name
        for field in dataclasses.fields(ChildRecipe)
        if field.name not in (*UNSUPPORTED, "image_size")
    )

    def __init__(
        self,
        dataset: Dataset,
        recipe: ChildRecipe = ChildRecipe(),
        seed: int = 0,
        stopping: MedianStopping | None = None,
        reward: Reward = Reward(),
    ):
        super().__init__(child_network(recipe, dataset), reward)
        check_child_data(recipe, dataset)
        self.dataset = dataset
        self.recipe = recipe
        self.seed = checks.seed(seed)
        self.stopping = stopping
        self._records: Any = []

    def check(self, space):
        """Refuses a space with a setting that the recipe refuses."""
        super().check(space)
        for decision in space.decisions:
            if decision.name in space.settings:
                for option in decision.options:
                    changed = {decision.name: option}
                    recipe = dataclasses.replace(self.recipe, **changed)
                    check_child_data(recipe, self.dataset)

    def resume(self, folder, records):
        """Keeps the records; `stopping` compares a child with their curves."""
        self._records = records

    def measure(self, genotype: Genotype, **settings: Any):
        """Trains the child of a genotype."""
        recipe = dataclasses.replace(self.recipe, **settings)
        start = time.monotonic()
        curve = _AccuracyCurve(self.dataset.validation, self._should_stop)
        try:
            train_child(genotype, recipe, self.dataset, self.seed, [curve])
        finally:
            curve.set_model(None)
            free_memory()
        measurements = {
            "val_accuracy": curve.accuracies[-1],
            "epochs": len(curve.accuracies),
            "train_seconds": round(time.monotonic() - start, 3),
        }
        return measurements, curve.accuracies

    def _should_stop(self, curve):
        if self.stopping is None:
            return False
        curves = [r["curve"] for r in self._records if "curve" in r]
        earlier = [[math.nan if v is None else v for v in c] for c in curves]
        return self.stopping.stops(curve, earlier)

    def describe(self):
        """Returns what the rewards depend on, as JSON can hold it."""
        stopping = self.stopping and self.stopping.describe()
        return {
            **super().describe(),
            "recipe": dataclasses.asdict(self.recipe),
            "stopping": stopping,
            "statistics": STATISTICS,
            **describe_data(self.dataset),
        }


class _AccuracyCurve(keras.callbacks.Callback):
    """Measures the validation accuracy after each epoch; may end training.

    Args:
        part: Images and labels.
        should_stop: Function of the accuracies so far.
    """

    def __init__(self, part, should_stop):
        super().__init__()
        self.part = part
        self.should_stop = should_stop
        self.accuracies = []

    def on_epoch_end(self, epoch, logs=None):
        self.accuracies.append(accuracy(self.model, self.part))
        if self.should_stop(self.accuracies):
            self.model.stop_training = True
