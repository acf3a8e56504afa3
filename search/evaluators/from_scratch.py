"""Children trained from scratch, as in the paper."""

import dataclasses
import functools
import math
import time
from collections.abc import Sequence
from typing import Any

import keras

from nasnet_keras import checks
from nasnet_keras.genotypes import Genotype
from nasnet_keras.search.evaluators.children import (
    STATISTICS,
    UNSUPPORTED,
    ChildRecipe,
    check_child_data,
    child_network,
    qualities,
    train_child,
)
from nasnet_keras.search.evaluators.evaluator import (
    Evaluator,
    Judge,
    describe_data,
)
from nasnet_keras.search.evaluators.funnel import (
    Stage,
    check_stages,
    last_stage,
    parse_funnel,
    seed_of_stage,
)
from nasnet_keras.search.evaluators.memory import free_memory
from nasnet_keras.search.evaluators.reward_images import with_reward_images
from nasnet_keras.search.evaluators.rewards import Reward
from nasnet_keras.search.evaluators.stopping import MedianStopping
from nasnet_keras.search.names import REWARD_IMAGES, SIZES
from nasnet_keras.training.data.dataset import Dataset
from nasnet_keras.training.feeds.augmentation import steps_per_epoch


class TrainFromScratch(Evaluator):
    """Evaluates a genotype by the validation accuracy of a trained child.

    With a `funnel` it has several fidelities: the trials of a search are short
    trainings, the best genotypes are then trained again for longer, see
    `nasnet_keras.search.evaluators.funnel`. Without one, a sixth of them is
    trained again, three times as long.

    Args:
        dataset: `nasnet_keras.training.data.dataset.Dataset`.
        recipe: `ChildRecipe`. Searched settings replace its fields.
        seed: Integer, the same for all children of a stage, so that they
            differ by their cells alone.
        stopping: Optional `MedianStopping`. A child that it stops keeps the
            accuracy of its last epoch.
        reward: `Reward`.
        funnel: Stages of training steps and children, such as
            `"125x48,375x8"`, or a sequence of `Stage`. The first one replaces
            the steps of `recipe` and is the number of trials.
        reward_images: Integer, the validation images that a reward is measured
            on, where there are that many. Training images that the schedule
            does not reach are added; `None` takes the validation images
            as they are.

    Measurements: `val_accuracy` and `val_likelihood` (0 to 1, see `Reward`;
    after the last epoch), `parameters`, `macs`, `filters` (if they were
    chosen), `epochs` trained, `train_seconds`, and of these `step_seconds`, in
    training steps after the first: they grow with the schedule.

    Raises:
        ValueError: If the dataset has no validation images, or fewer training
            images than a batch; an argument is out of range; or there is a
            `stopping`, and children are trained by steps.
    """

    # What decides on the schedule is the funnel's.
    settings = tuple(
        field.name
        for field in dataclasses.fields(ChildRecipe)
        if field.name not in (*UNSUPPORTED, "image_size", "steps")
    )

    def __init__(
        self,
        dataset: Dataset,
        recipe: ChildRecipe = ChildRecipe(),
        seed: int = 0,
        stopping: MedianStopping | None = None,
        reward: Reward = Reward(),
        funnel: str | Sequence[Stage] | None = None,
        reward_images: int | None = REWARD_IMAGES,
    ):
        self.funnel = None
        if funnel is not None:
            stages = parse_funnel(funnel) if isinstance(funnel, str) else funnel
            self.funnel = check_stages(stages)
            self.trials = self.funnel[0].children
            recipe = dataclasses.replace(recipe, **self.funnel[0].schedule)
        if stopping is not None and recipe.steps is not None:
            raise ValueError(
                "`stopping` compares children after each epoch, but they are "
                f"trained for {recipe.steps} steps and measured once. Give "
                "`epochs`, or leave it out."
            )
        super().__init__(child_network(recipe, dataset), reward)
        check_child_data(recipe, dataset)
        self.recipe = recipe
        self.seed = checks.seed(seed)
        self.stopping = stopping
        self.remembers = "" if stopping is None else "curves"
        self.reward_images = reward_images
        if reward_images is not None:
            checks.integer("reward_images", reward_images, 1)
        self.dataset = dataset
        self._records: Any = []

    def later_stages(self, trials):
        """Trains the best again: the stages of the funnel after the first."""
        stages = (last_stage(self.recipe, trials),)
        if self.funnel:
            stages = self.funnel[1:]
        return [
            self.judge(number, stage) for number, stage in enumerate(stages, 1)
        ]

    def judge(self, number: int, stage: Stage) -> Judge:
        """Returns a later stage, whose children have a seed of their own.

        Args:
            number: Integer, 1 for the stage after the trials.
            stage: `Stage`.
        """
        seed = seed_of_stage(self.seed, number)
        evaluator = TrainFromScratch(
            self.dataset,
            dataclasses.replace(self.recipe, **stage.schedule),
            seed,
            reward=self.reward,
            reward_images=self.reward_images,
        )
        name, length = f"{stage}, seed {seed}", stage.length(self.recipe)
        return Judge(stage.children, evaluator, name, length)

    @functools.cached_property
    def _parts(self):
        """The dataset, divided for the schedule and the reward."""
        if self.reward_images is None:
            return self.dataset
        recipe, images = self.recipe, len(self.dataset.train[0])
        per_epoch = steps_per_epoch(
            images, recipe.batch_size, recipe.accumulation_steps
        )
        reached = recipe.total_steps(per_epoch) * recipe.batch_size
        return with_reward_images(self.dataset, self.reward_images, reached)

    def check(self, space):
        """Refuses a space with a setting that the recipe refuses."""
        super().check(space)
        if self.recipe.steps and "epochs" in space.settings:
            raise ValueError(
                "The space decides on 'epochs', but children are trained for "
                f"{self.recipe.steps} steps: leave one of them out"
            )
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
        recipe = self._recipe_with(settings)
        start = time.monotonic()
        data = self._parts
        curve = _AccuracyCurve(data.validation, self._should_stop)
        try:
            train_child(genotype, recipe, data, self.seed, [curve])
        finally:
            curve.set_model(None)
            free_memory()
        measurements = {
            **curve.qualities,
            "epochs": len(curve.accuracies),
            "train_seconds": round(time.monotonic() - start, 3),
            "step_seconds": round(curve.step_seconds, 3),
        }
        return measurements, curve.accuracies

    def _recipe_with(self, settings):
        """Returns the recipe with searched settings.

        The size stays that of the network that is counted: where it is not
        given it would follow from the searched cells per stack.
        """
        network = self.network.with_settings(settings)
        size = {name: getattr(network, name) for name in SIZES}
        return dataclasses.replace(self.recipe, **{**settings, **size})

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
            "reward_images": self.reward_images,
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
        self.accuracies: list[float] = []
        self.qualities: dict[str, float] = {}
        self.step_seconds = 0.0
        self._last_step = None

    def on_epoch_begin(self, epoch, logs=None):
        self._last_step = None

    def on_train_batch_end(self, batch, logs=None):
        now = time.monotonic()
        if self._last_step is not None:  # Not the first, which is traced.
            self.step_seconds += now - self._last_step
        self._last_step = now

    def on_epoch_end(self, epoch, logs=None):
        self.qualities = qualities(self.model, self.part)
        self.accuracies.append(self.qualities["val_accuracy"])
        if self.should_stop(self.accuracies):
            self.model.stop_training = True
