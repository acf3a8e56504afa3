"""Child networks: configuring, building and training them."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from nasnet_keras import checks
from nasnet_keras.genotypes import Genotype
from nasnet_keras.genotypes.published import NASNET_A
from nasnet_keras.inference.metrics import likelihood, top_k_accuracy
from nasnet_keras.search.evaluators.network import Network, check_one_size
from nasnet_keras.search.names import SIZES
from nasnet_keras.training.data.dataset import Dataset
from nasnet_keras.training.drop_path import ScheduledDropPath
from nasnet_keras.training.evaluated_weights import (
    EstimateBatchNorm,
    ImageBatches,
    sample,
)
from nasnet_keras.training.feeds.evaluation import evaluation_batches
from nasnet_keras.training.feeds.make import make_feed
from nasnet_keras.training.optimizers import (
    allow_unused_weights,
    compile_model,
)
from nasnet_keras.training.recipes import Recipe

IMAGENET_STEM_FROM = 64  # pixels
# Fields of a recipe that children do not support.
UNSUPPORTED = ("auxiliary_weight", "ema", "growing_sizes")
SCHEDULES = ("linear", "constant")  # Of drop path.
# How a child gets the statistics of batch normalization. Children of earlier
# versions had moving averages; their accuracy after a short training is lower.
STATISTICS = "estimated"
# Of images for them.
STATISTICS_IMAGES = 512  # In one batch: its number is what takes time.
# Of NASNet-A's cells, in a child whose size is not given: the others get as
# many parameters.
USUAL_FILTERS = 8
# Children train for few steps: moving statistics must follow faster than
# ImageNet's.
BATCH_NORM_MOMENTUM = 0.9


@dataclasses.dataclass(frozen=True)
class ChildRecipe(Recipe):
    """How a child is built and trained.

    The defaults are for trials in seconds; the paper's children (appendix
    A.3) had `cells_per_stack=2, filters=32, epochs=20`.

    Of `parameters`, `macs` and `filters` one may be given. By default all
    children have about the parameters of NASNet-A's with 8 filters: at equal
    filters the reward prefers expensive cells, which lose at equal cost.

    Args:
        cells_per_stack: Integer, N.
        filters: Integer, F of the first stack, the same for all children.
        parameters: Integer, about the parameters of each child.
        macs: Integer, about the multiply-adds of each child for one image.
        steps: Integer, training steps; they replace `epochs`. The schedules
            of learning rate and drop path end with the last one.
        **fields: Those of `nasnet_keras.training.recipes.Recipe`. The image
            size is always the dataset's; auxiliary heads, weight averages,
            growing sizes and the adaptive drop path are not supported.

    Raises:
        ValueError: If a field is out of range or not supported.
    """

    epochs: int = 3
    batch_size: int = 64
    learning_rate: float = 0.1
    augmentation: str = "none"
    cells_per_stack: int = 1
    filters: int | None = None
    parameters: int | None = None
    macs: int | None = None
    steps: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("cells_per_stack", *SIZES, "steps"):
            if getattr(self, name) is not None:
                value = checks.integer(name, getattr(self, name), 1)
                object.__setattr__(self, name, value)
        if any(getattr(self, name) is not None for name in SIZES):
            check_one_size(self)
        if self.steps and self.steps % self.accumulation_steps:
            raise ValueError(
                "`steps` must be a multiple of `accumulation_steps`. Received: "
                f"steps={self.steps}, "
                f"accumulation_steps={self.accumulation_steps}"
            )
        for name in UNSUPPORTED:
            value = getattr(self, name)
            if value:
                raise ValueError(
                    f"`{name}` must be left out: children are trained "
                    f"without. Received: {name}={value!r}"
                )
        checks.choice("drop_path_schedule", self.drop_path_schedule, SCHEDULES)

    def total_steps(self, steps_per_epoch: int) -> int:
        """Returns the steps of the whole training: `steps` if given."""
        return self.steps or super().total_steps(steps_per_epoch)


def choose_stem(side: int) -> str:
    """Returns the stem for images of a side: ImageNet's from 64 pixels on."""
    return "imagenet" if side >= IMAGENET_STEM_FROM else "cifar"


def child_network(recipe: ChildRecipe, dataset: Dataset) -> Network:
    """Returns the `Network` of all children of a recipe."""
    size = {name: getattr(recipe, name) for name in SIZES}
    if not any(size.values()):
        usual = data_network(
            dataset, recipe.cells_per_stack, filters=USUAL_FILTERS
        )
        size["parameters"] = cost_of_nasnet_a(usual)
    return data_network(dataset, recipe.cells_per_stack, **size)


def data_network(
    dataset: Dataset, cells_per_stack: int, **size: int | None
) -> Network:
    """Returns a `Network` for a dataset's images and classes.

    Args:
        dataset: `nasnet_keras.training.data.dataset.Dataset`.
        cells_per_stack: Integer, N.
        size: `filters`, `parameters` or `macs`, see `Network`.
    """
    side, _, channels = dataset.input_shape
    return Network(
        cells_per_stack,
        side=side,
        classes=len(dataset.classes),
        stem=choose_stem(side),
        channels=channels,
        **{"filters": None, **size},
    )


def cost_of_nasnet_a(network: Network, cost: str = "parameters") -> int:
    """Returns the cost of a network of NASNet-A's cells, two digits of it.

    Args:
        network: `Network`.
        cost: `"parameters"` or `"macs"`.
    """
    return int(float(f"{getattr(network.count(NASNET_A), cost):.1e}"))


def check_child_data(recipe: ChildRecipe, dataset: Dataset) -> None:
    """Refuses data that children of a recipe cannot learn from.

    Raises:
        ValueError: If there are no validation images, or fewer training
            images than in a batch.
    """
    if not len(dataset.validation[0]):
        raise ValueError(
            "`dataset` must have validation images, of which the reward is "
            "the accuracy. Load it with a `validation_split` above 0."
        )
    checks.integer("batch_size", recipe.batch_size, 1, len(dataset.train[0]))


def build_child(
    genotype: Genotype, recipe: ChildRecipe, dataset: Dataset
) -> keras.Model:
    """Returns the child network of a genotype for a dataset.

    It takes images of 0 to 255 and returns class probabilities.
    """
    return child_network(recipe, dataset).build(
        genotype,
        drop_path_rate=recipe.drop_path_rate,
        dropout_rate=recipe.dropout_rate,
        include_preprocessing=recipe.preprocessing,
        batch_norm_momentum=BATCH_NORM_MOMENTUM,
        name="child",
    )


def train_child(
    genotype: Genotype,
    recipe: ChildRecipe,
    dataset: Dataset,
    seed: int,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> keras.Model:
    """Builds and trains a child; returns the model.

    Args:
        genotype: `nasnet_keras.Genotype`.
        recipe: `ChildRecipe`.
        dataset: `nasnet_keras.training.data.dataset.Dataset`.
        seed: Integer, of weights and shuffling.
        callbacks: Keras callbacks. Before each `on_epoch_end`, the statistics
            of batch normalization are estimated, see
            `nasnet_keras.training.evaluated_weights`.
    """
    keras.utils.set_random_seed(seed)
    model = build_child(genotype, recipe, dataset)
    recipe = dataclasses.replace(recipe, image_size=dataset.input_shape[0])
    feed = make_feed(dataset, recipe, seed)
    compile_model(model, recipe, feed.steps_per_epoch)
    if recipe.drop_path_rate and recipe.drop_path_schedule == "linear":
        steps = recipe.total_steps(feed.steps_per_epoch)
        callbacks = [ScheduledDropPath(steps), *callbacks]
    images = ImageBatches(_statistics_images(dataset, seed))
    with allow_unused_weights():
        model.fit(
            feed.batches(),
            # With `steps`, the child is measured once, after the last one.
            epochs=1 if recipe.steps else recipe.epochs,
            steps_per_epoch=recipe.steps or feed.steps_per_epoch,
            shuffle=False,  # The feed shuffles.
            verbose=0,
            # First, so that the others measure what the child has learnt.
            callbacks=[EstimateBatchNorm(images), *callbacks],
        )
    return model


def _statistics_images(dataset, seed):
    part = sample(dataset.train, STATISTICS_IMAGES, seed)
    return evaluation_batches(part, dataset.input_shape[0], STATISTICS_IMAGES)


def accuracy(model: keras.Model, part: Any, batch_size: int = 256) -> float:
    """Returns a model's accuracy (0 to 1) on a part of a dataset.

    Args: see `qualities`.
    """
    return qualities(model, part, batch_size)["val_accuracy"]


def qualities(
    model: keras.Model, part: Any, batch_size: int = 256
) -> dict[str, float]:
    """Returns `val_accuracy` and `val_likelihood` (both 0 to 1).

    Args:
        model: `keras.Model` that returns class scores.
        part: Images and integer labels, such as `dataset.validation`.
        batch_size: Integer.
    """
    images, labels = part
    number = len(images)
    # Batches of one size: TensorFlow traces each size anew.
    batches = -(-number // batch_size)
    size = -(-number // batches)
    repeated = np.resize(np.arange(number), batches * size)
    scores = model.predict(images[repeated], batch_size=size, verbose=0)
    return qualities_of(scores[:number], labels)


def qualities_of(scores: Any, labels: Any) -> dict[str, float]:
    """Returns the qualities of class probabilities, see `Reward`.

    Args:
        scores: Array `(images, classes)`.
        labels: Integer array `(images,)`.
    """
    return {
        "val_accuracy": top_k_accuracy(scores, labels),
        "val_likelihood": likelihood(scores, labels),
    }
