"""Children that share one set of weights: compiled once, evaluated in seconds.

Pham et al. 2018 (ENAS, arXiv 1802.03268), section 2.2: the training of the
shared weights alternates with the search. Before every round of children they
are trained on architectures that the search proposed in the round before, so
that they follow the policy; before the first on random ones.
"""

import dataclasses
import io
import time
import zipfile

import keras
import numpy as np
from keras import ops

from nasnet_keras.runs.files import write_atomically
from nasnet_keras.search.evaluators.evaluator import Evaluator
from nasnet_keras.search.evaluators.from_scratch import (
    ChildRecipe,
    child_network,
    describe_data,
)
from nasnet_keras.search.evaluators.rewards import Reward
from nasnet_keras.search.evaluators.shared.candidates import Candidates
from nasnet_keras.search.evaluators.shared.supernet import Supernet
from nasnet_keras.search.oracles.base import random_actions
from nasnet_keras.training.feeds.make import make_feed

SNAPSHOT = "shared_weights.npz"
# ENAS' rate and clipping. Architectures pull the weights in many directions:
# without clipping the first steps throw them far away.
SHARED = ChildRecipe(learning_rate=0.05, clip_norm=5.0, nesterov=True)


@dataclasses.dataclass(frozen=True)
class Rounds:
    """How training and evaluation take turns.

    Args:
        warm_up_steps: Integer, training steps on random architectures before
            the first child.
        children: Integer, the children of a round.
        steps: Integer, training steps between two rounds.
        reward_images: Integer, validation images that give the reward, always
            the same. What does not fill a batch is left out.
        reward_batch: Integer, images normalized together.
    """

    warm_up_steps: int = 500
    children: int = 20
    steps: int = 40
    reward_images: int = 500
    reward_batch: int = 250

    def __post_init__(self):
        for name, value in dataclasses.asdict(self).items():
            least = 0 if name == "warm_up_steps" else 1
            if value < least:
                raise ValueError(
                    f"`{name}` must be at least {least}. "
                    f"Received: {name}={value!r}"
                )


class SharedWeights(Evaluator):
    """Evaluates a genotype with weights that all genotypes share.

    The reward is the accuracy on a fixed part of the validation images, each
    batch normalized by its own statistics. It orders children; it is not the
    accuracy that they reach by themselves. The more a space varies, the more
    steps the weights need before it orders anything: of a `WiredSpace` a
    thousand, of cells whose blocks read what they like many thousands.

    Args:
        space: `SearchSpace` of the genotypes.
        dataset: `nasnet_keras.training.data.dataset.Dataset`.
        recipe: `ChildRecipe`: size of the network, batch size, augmentation,
            optimizer. Its learning rate is held; its epochs play no part.
        rounds: `Rounds`.
        seed: Integer.
        reward: `Reward`.

    Measurements: `val_accuracy` (0 to 1), `parameters` and `macs` of a child
    of its own, `seconds`.
    """

    def __init__(
        self,
        space,
        dataset,
        recipe=SHARED,
        rounds=Rounds(),
        seed=0,
        reward=Reward(),
    ):
        super().__init__(child_network(recipe, dataset), reward)
        self.space = space
        self.dataset = dataset
        self.recipe = dataclasses.replace(
            recipe, schedule="constant", image_size=dataset.input_shape[0]
        )
        self.rounds = rounds
        self.seed = seed
        self.candidates = Candidates.of(space)
        self._genotypes = []
        self._trained = 0  # Children before the last training.
        self._steps = 0
        self._path = None
        self._feed = make_feed(dataset, self.recipe, seed)
        self._supernet = None

    @property
    def supernet(self):
        """The network that holds the weights."""
        if self._supernet is None:
            keras.utils.set_random_seed(self.seed)
            network = dataclasses.asdict(self.network)
            self._supernet = Supernet(self.candidates, **network)
            self._supernet.compile(self.recipe, self._feed.steps_per_epoch)
            self._initial = self._values()
            images, labels = self.dataset.validation
            whole = min(self.rounds.reward_images, len(images))
            batch = min(self.rounds.reward_batch, whole)
            whole -= whole % batch
            self._reward_part = [
                (images[i : i + batch], labels[i : i + batch])
                for i in range(0, whole, batch)
            ]
        return self._supernet

    def measure(self, genotype):
        """Trains the shared weights if a round begins; evaluates a genotype."""
        began = time.time()
        self._catch_up(len(self._genotypes))
        supernet = self.supernet
        right = [
            (supernet.predict(genotype, images).argmax(axis=1) == labels).sum()
            for images, labels in self._reward_part
        ]
        images = sum(len(labels) for _, labels in self._reward_part)
        self._genotypes.append(genotype)
        return {
            "val_accuracy": float(np.sum(right) / images),
            "seconds": round(time.time() - began, 3),
        }, []

    def resume(self, folder, records):
        """Takes up the weights of a search at its ended trials.

        An evaluator that has served another search begins anew, without
        compiling again.
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
            self._take_snapshot()

    def _catch_up(self, children):
        """Trains for each round that has begun."""
        if not self._steps:
            self._train(self.rounds.warm_up_steps, self._random())
            self._write_snapshot()
        size = self.rounds.children
        while self._trained + size <= children:
            recent = self._genotypes[self._trained : self._trained + size]
            self._trained += size
            self._train(self.rounds.steps, recent)
            self._write_snapshot()

    def _random(self):
        points = [
            random_actions(self.space, [self.seed, 2, i])
            for i in range(self.rounds.warm_up_steps)
        ]
        return [self.space.to_genotype(point) for point in points]

    def _train(self, steps, genotypes):
        """Steps on one architecture each."""
        for step in range(self._steps, self._steps + steps):
            rng = np.random.default_rng([self.seed, 3, step])
            genotype = genotypes[rng.integers(len(genotypes))]
            self.supernet.train(genotype, *self._feed.batch(step))
        self._steps += max(steps, 1)

    # A snapshot spares the time of training again: the journal's genotypes
    # and the seed give the same weights.

    def _write_snapshot(self):
        if self._path is None:
            return
        buffer = io.BytesIO()
        state = [self._trained, self._steps]
        np.savez(buffer, *self._values(), state=state)
        write_atomically(self._path, buffer.getvalue())

    def _values(self):
        return [ops.convert_to_numpy(v) for v in self.supernet.variables]

    def _assign(self, values):
        pairs = zip(self.supernet.variables, values, strict=True)
        for variable, value in pairs:
            variable.assign(value)

    def _take_snapshot(self):
        try:
            file = np.load(io.BytesIO(self._path.read_bytes()))
            trained, steps = (int(number) for number in file["state"])
            weights = [file[f"arr_{i}"] for i in range(len(file.files) - 1)]
        except (OSError, KeyError, ValueError, zipfile.BadZipFile):
            return
        if trained <= len(self._genotypes):
            self._assign(weights)
            self._trained, self._steps = trained, steps

    def describe(self):
        """Returns what the rewards depend on, as JSON can hold it."""
        return {
            **super().describe(),
            "recipe": dataclasses.asdict(self.recipe),
            "rounds": dataclasses.asdict(self.rounds),
            **describe_data(self.dataset),
        }
