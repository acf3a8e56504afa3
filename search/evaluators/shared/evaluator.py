"""Children that share one set of weights: compiled once, evaluated in seconds.

Pham et al. 2018 (ENAS, arXiv 1802.03268), section 2.2: the training of the
shared weights alternates with the search. Before the first round of children
they are trained on random architectures, before every other round on the
architectures of the previous round, so that they follow the policy.
"""

import dataclasses
import pathlib
import time
from typing import Any

import keras
import numpy as np
from keras import ops

from nasnet_keras import checks
from nasnet_keras.genotypes import Genotype
from nasnet_keras.runs.arrays import fit_into, read_arrays, write_arrays
from nasnet_keras.runs.notices import notice
from nasnet_keras.search.evaluators.children import (
    USUAL_FILTERS,
    ChildRecipe,
    check_child_data,
    child_network,
    cost_of_nasnet_a,
    qualities_of,
)
from nasnet_keras.search.evaluators.evaluator import (
    Evaluator,
    Judge,
    describe_data,
)
from nasnet_keras.search.evaluators.from_scratch import TrainFromScratch
from nasnet_keras.search.evaluators.funnel import LEAST_CHILDREN, Stage
from nasnet_keras.search.evaluators.rewards import Reward
from nasnet_keras.search.evaluators.shared.candidates import Candidates
from nasnet_keras.search.evaluators.shared.supernet import (
    Supernet,
    check_can_share,
)
from nasnet_keras.search.names import (
    BUDGETS,
    REWARD_IMAGES,
    WEIGHTS_STEPS,
)
from nasnet_keras.search.spaces import SearchSpace
from nasnet_keras.training.data.dataset import Dataset
from nasnet_keras.training.feeds.make import make_feed

# First words of spawn keys, see `nasnet_keras.search.oracles.core`.
GENOTYPES, CHOICES = 1, 2
SNAPSHOT = "shared_weights.npz"
FROM_SCRATCH = 25  # Of so many trials, one is trained from scratch at the end.
# ENAS' learning rate and clipping. The gradients of different architectures
# differ much: without clipping the first steps diverge.
SHARED_RECIPE = ChildRecipe(
    filters=USUAL_FILTERS, learning_rate=0.05, clip_norm=5.0, nesterov=True
)
# Fields of a recipe that the network of all children has no use for, and
# their only value.
WITHOUT: dict[str, Any] = {
    "drop_path_rate": 0.0,
    "dropout_rate": 0.0,
    # It would move the weights of branches that were not taken.
    "weight_decay": 0.0,
    "whiten": False,
    "depth_decay": 1.0,
    "optimizer": "sgd",
    "parameters": None,
    "macs": None,
}


@dataclasses.dataclass(frozen=True)
class Rounds:
    """How training and evaluation alternate.

    Args:
        warm_up_steps: Integer, training steps on random architectures before
            the first child.
        children: Integer, the children of a round.
        steps: Integer, training steps between two rounds.
        reward_images: Integer, validation images for the reward, always the
            same, where there are so many. They are rounded down to whole
            batches.
        reward_batch: Integer, images normalized together.

    Raises:
        ValueError: If an argument is out of range.
    """

    warm_up_steps: int = 500
    children: int = 20
    steps: int = 40
    reward_images: int = REWARD_IMAGES
    reward_batch: int = 250

    def __post_init__(self) -> None:
        for name, value in dataclasses.asdict(self).items():
            least = 0 if name == "warm_up_steps" else 1
            object.__setattr__(self, name, checks.integer(name, value, least))


class SharedWeights(Evaluator):
    """Evaluates a genotype with weights that all genotypes share.

    The reward is measured on a fixed part of the validation images, each
    batch normalized by its own statistics. It ranks children; it is not the
    accuracy that they reach when trained separately, and rewards before and
    after a training do not compare. After the trials, all of them are judged
    again with the final weights, and the best of those are trained from
    scratch, at equal parameters: the last stage decides.

    A space in which the blocks choose their inputs is refused: the accuracy
    was still that of chance after 2,000 steps, here and in an independent
    implementation.

    Args:
        space: `SearchSpace` of the genotypes, of fixed wiring.
        dataset: `nasnet_keras.training.data.dataset.Dataset`.
        recipe: `ChildRecipe`: filters, batch size, augmentation, SGD. Its
            learning rate stays constant. Its epochs or steps are those of
            the children that are trained from scratch at the end.
        rounds: `Rounds`.
        seed: Integer.
        reward: `Reward`.

    Measurements: `val_accuracy` and `val_likelihood` (0 to 1, see `Reward`),
    `weights_steps` (the training steps of the shared weights), `parameters`
    and `macs` of a separate child, `seconds`.

    Raises:
        ValueError: If the dataset has no validation images, or fewer training
            images than a batch; the space's cells cannot share weights, or
            their wiring is searched; or the recipe has a setting that shared
            weights have no use for.
    """

    remembers = "weights"

    def __init__(
        self,
        space: SearchSpace,
        dataset: Dataset,
        recipe: ChildRecipe = SHARED_RECIPE,
        rounds: Rounds = Rounds(),
        seed: int = 0,
        reward: Reward = Reward(),
    ):
        _check_recipe(recipe)
        super().__init__(child_network(recipe, dataset), reward)
        check_child_data(recipe, dataset)
        self.space = space
        self._child_recipe = recipe
        self.dataset = dataset
        self.recipe = dataclasses.replace(
            recipe, schedule="constant", image_size=dataset.input_shape[0]
        )
        self.rounds = rounds
        self.seed = checks.seed(seed)
        self.candidates = Candidates.of(space)
        check_can_share(self.candidates)
        _check_wiring(self.candidates)
        self._genotypes: list[Genotype] = []
        self._trained = 0  # Children evaluated before the last training.
        self._steps = 0
        self._path: pathlib.Path | None = None
        self._feed = make_feed(dataset, self.recipe, self.seed)
        self._supernet: Supernet | None = None

    @property
    def supernet(self) -> Supernet:
        """The network that holds the weights; built on first use."""
        if self._supernet is None:
            keras.utils.set_random_seed(self.seed)
            network = child_network(self.recipe, self.dataset)
            size = dataclasses.asdict(network)
            for name in BUDGETS:  # All children have the same filters.
                del size[name]
            self._supernet = Supernet(self.candidates, **size)
            self._supernet.compile(self.recipe, self._feed.steps_per_epoch)
            self._initial = self._values()
            self._reward_batches = self._make_reward_batches()
        return self._supernet

    def _make_reward_batches(self):
        images, labels = self.dataset.validation
        number = min(self.rounds.reward_images, len(images))
        batch = min(self.rounds.reward_batch, number)
        return [
            (images[i : i + batch], labels[i : i + batch])
            for i in range(0, number - number % batch, batch)
        ]

    def measure(self, genotype):
        """Evaluates a genotype; before, trains the weights if a round ended."""
        start = time.monotonic()
        self.train_due_rounds()
        measurements = self.measure_as_it_is(genotype)
        self._genotypes.append(genotype)
        seconds = round(time.monotonic() - start, 3)
        return {**measurements, "seconds": seconds}, []

    def measure_as_it_is(self, genotype: Genotype) -> dict[str, float]:
        """Evaluates a genotype with the weights of now; trains nothing."""
        supernet = self.supernet
        scores = [
            supernet.predict(genotype, images)
            for images, _ in self._reward_batches
        ]
        labels = [labels for _, labels in self._reward_batches]
        qualities = qualities_of(np.concatenate(scores), np.concatenate(labels))
        return {**qualities, WEIGHTS_STEPS: self._steps}

    def later_stages(self, trials):
        """All are judged with the final weights, the best from scratch."""
        recipe = self._separate_recipe()
        children = min(trials, max(LEAST_CHILDREN, trials // FROM_SCRATCH))
        stage = Stage(children, recipe.steps, recipe.epochs)
        scratch = TrainFromScratch(
            self.dataset,
            recipe,
            self.seed,
            reward=self.reward,
            reward_images=self.rounds.reward_images,
        )
        return [
            Judge(
                trials,
                FinalWeights(self),
                f"the weights after {trials} trials",
            ),
            scratch.judge(2, stage),
        ]

    def _separate_recipe(self):
        """The recipe of children that are trained from scratch at the end.

        They have as many parameters as NASNet-A's with the filters of the
        shared weights.
        """
        return dataclasses.replace(
            self._child_recipe,
            filters=None,
            parameters=cost_of_nasnet_a(self.network),
            learning_rate=ChildRecipe.learning_rate,
        )

    def resume(self, folder, records):
        """Restores the weights that belong to a search's ended trials.

        An evaluator that was used for another search starts from the initial
        weights, without compiling again.
        """
        self._path = folder / SNAPSHOT
        self._genotypes = [
            self.space.to_genotype(record["values"])
            for record in records
            if record["score"] is not None
        ]
        if self._steps:
            self._assign(self._initial)
            self._trained = self._steps = 0
        if records:
            self._read_snapshot()

    def train_due_rounds(self) -> None:
        """Trains once for each round that the children have completed."""
        children = len(self._genotypes)
        if not self._steps:
            self._train(self.rounds.warm_up_steps, self._random_genotypes())
            self._write_snapshot()
        size = self.rounds.children
        while self._trained + size <= children:
            last_round = self._genotypes[self._trained : self._trained + size]
            self._trained += size
            self._train(self.rounds.steps, last_round)
            self._write_snapshot()

    def _random_genotypes(self):
        points = [
            self.space.sample(self._stream(GENOTYPES, i))
            for i in range(self.rounds.warm_up_steps)
        ]
        return [self.space.to_genotype(point) for point in points]

    def _stream(self, purpose, number):
        """A random generator that no oracle and no feed has.

        Theirs are `[seed, ...]`; `[seed, 2, 0]` would be the one `[seed, 2]`,
        from which random search draws its trial 2.
        """
        stream = np.random.SeedSequence(self.seed, spawn_key=(purpose, number))
        return np.random.default_rng(stream)

    def _train(self, steps, genotypes):
        """Trains; each step uses a random one of the genotypes."""
        for step in range(self._steps, self._steps + steps):
            choice = self._stream(CHOICES, step).integers(len(genotypes))
            genotype = genotypes[choice]
            self.supernet.train(genotype, *self._feed.batch(step))
        # At least 1: at 0 steps the warm-up is still due.
        self._steps += max(steps, 1)

    # A snapshot only saves time: training again from the journal's genotypes
    # and the seed gives the same weights.

    def _write_snapshot(self):
        if self._path is None:
            return
        state = [self._trained, self._steps]
        write_arrays(self._path, self._values(), state=state)

    def _values(self):
        return [ops.convert_to_numpy(v) for v in self.supernet.variables]

    def _assign(self, values):
        pairs = zip(self.supernet.variables, values, strict=True)
        for variable, value in pairs:
            variable.assign(value)

    def _read_snapshot(self):
        """Restores the snapshot unless it is missing, broken or newer."""
        weights, state = read_arrays(self._path, "state") or ([], np.zeros(0))
        if (
            state.shape == (2,)
            and 0 <= state[0] <= len(self._genotypes)
            and fit_into(weights, self._values())
        ):
            self._assign(weights)
            self._trained, self._steps = map(int, state)
        elif self._path.exists():
            notice(f"{self._path} is damaged or newer: training anew.")

    def describe(self) -> dict[str, Any]:
        """Returns what the rewards depend on, as JSON can hold it."""
        return {
            **super().describe(),
            "recipe": dataclasses.asdict(self.recipe),
            "rounds": dataclasses.asdict(self.rounds),
            **describe_data(self.dataset),
        }


class FinalWeights(Evaluator):
    """Judges genotypes with the weights that a search has ended with.

    Args:
        shared: `SharedWeights` of the search.
    """

    def __init__(self, shared: SharedWeights):
        super().__init__(shared.network, shared.reward)
        self.shared = shared

    def measure(self, genotype):
        """Evaluates a genotype; before, trains what is still due."""
        self.shared.train_due_rounds()
        return self.shared.measure_as_it_is(genotype), []

    def describe(self):
        """Returns what the rewards depend on: the shared weights."""
        return {**self.shared.describe(), "evaluator": type(self).__name__}


def _check_recipe(recipe):
    for name, value in WITHOUT.items():
        if getattr(recipe, name) != value:
            raise ValueError(
                f"`{name}` must be {value!r} for shared weights, or left out: "
                "the network of all children has no use for it. Received: "
                f"{name}={getattr(recipe, name)!r}"
            )


def _check_wiring(candidates):
    if not candidates.fixed_wiring:
        raise ValueError(
            "`space` must have a fixed wiring: where blocks choose their "
            "inputs, shared weights were still at chance after 2,000 steps. "
            "Take WiredSpace (--space nasnet_a_wired) or NASBench201Space "
            "(nasbench201), or train children from scratch "
            "(TrainFromScratch, --evaluator scratch)."
        )
