"""How long children are trained, and how many: chosen for images and machine.

The seconds of a training step are from trainings on one core; the machine at
hand is compared with that one by a product of matrices. The estimate is for
the reader: while a search runs, what is left follows from the children that
ended.
"""

import dataclasses
import functools
import math
import time
from typing import Any

import numpy as np
import psutil

from nasnet_keras.search.comparison import LENGTH_FACTOR
from nasnet_keras.search.engines.computing import (
    has_gpu,
    usable_cores,
    usable_gpus,
)
from nasnet_keras.search.evaluators.children import child_network
from nasnet_keras.search.evaluators.funnel import Stage, last_stage
from nasnet_keras.search.names import CHILDREN, CHILDREN_A_WORKER

# A child of the first stage takes at most so many seconds.
MOST_SECONDS = 24
FEWEST_STEPS, MOST_STEPS = 30, 125
# On one core: seconds for building and tracing each block of each cell, then
# for a training step on top of those for its multiply-adds (forward and
# backward).
START, STEP, MACS_A_SECOND = 0.7, 0.032, 8e9
# Of a step where ImageNet's stem is: its cells have few channels, for which
# kernels are slow.
IMAGENET_STEP = 1.8
# Multiply-adds a second of a product of matrices of this side.
REFERENCE_SPEED, SIDE, RUNS = 41e9, 256, 100
SECOND_CORE = 1.4  # How much faster a step is with a second one.
# On a GPU a step of so small a network is its overhead.
GPU_STEP = 0.03
BLOCKS = 5  # Of the paper's cells.
WORKER_GIGABYTES = 1.5  # Of the machine's memory, with some to spare.
GPU_FACTOR = 4  # Steps, relative to those on a CPU.


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a search does.

    Args:
        stages: Sequence of `Stage`, the trials first.
        steps: For each stage, the training steps of a child.
        start: Float, the estimated seconds until a child's first step.
        step: Float, those of a step.
        workers: Integer, the children at a time.
    """

    stages: tuple[Stage, ...]
    steps: tuple[int, ...]
    start: float
    step: float
    workers: int = 1

    @property
    def seconds(self) -> tuple[float, ...]:
        """For each stage, the estimated seconds of a child."""
        return tuple(self.start + number * self.step for number in self.steps)

    @property
    def minutes(self) -> float:
        """The estimated minutes of the search."""
        pairs = zip(self.stages, self.seconds)
        return sum(self._minutes(s.children, each) for s, each in pairs)

    def comparison_minutes(self, networks: int) -> float:
        """Returns the estimated minutes of a comparison, see `compare`.

        Args:
            networks: Integer, how many are trained.
        """
        steps = LENGTH_FACTOR * self.steps[-1]
        return self._minutes(networks, self.start + steps * self.step)

    def _minutes(self, children, seconds):
        return math.ceil(children / self.workers) * seconds / 60

    def __str__(self) -> str:
        first, *later = (
            f"{stage.children} of {stage} (about {each:.0f} s each)"
            for stage, each in zip(self.stages, self.seconds)
        )
        text = ", then the best ".join([first, *later])
        if self.workers > 1:
            text += f", {self.workers} at a time"
        minutes = max(1, round(self.minutes))
        return f"{text}: about {minutes} minutes in all"


def plan_workers() -> int:
    """Returns the children at a time: as many as GPUs, or cores without one.

    Without enough memory for so many, fewer.
    """
    workers = max(1, len(usable_gpus())) if has_gpu() else usable_cores()
    fitting = int(psutil.virtual_memory().available / 1e9 / WORKER_GIGABYTES)
    return max(1, min(workers, fitting))


def plan_children(workers: int) -> int:
    """Returns the children of the first stage.

    Those that train at the same time do not learn from each other: with many
    workers there are more of them.

    Args:
        workers: Integer, the children at a time.
    """
    return max(CHILDREN, CHILDREN_A_WORKER * workers)


def plan_steps(
    recipe: Any, dataset: Any, workers: int = 1, blocks: int = BLOCKS
) -> int:
    """Returns the steps of the children of the first stage.

    Args:
        recipe: `ChildRecipe`.
        dataset: `nasnet_keras.training.data.dataset.Dataset`.
        workers: Integer, the children at a time.
        blocks: Integer, the blocks of a cell.
    """
    step = step_seconds(recipe, dataset, workers)
    start = start_seconds(recipe, dataset, blocks)
    steps = (MOST_SECONDS - start) / step
    most = MOST_STEPS * (GPU_FACTOR if has_gpu() else 1)
    return int(min(most, max(FEWEST_STEPS, 5 * (steps // 5))))


def make_plan(
    recipe: Any,
    dataset: Any,
    stages: Any,
    trials: int,
    workers: int = 1,
    blocks: int = BLOCKS,
) -> Plan:
    """Returns the `Plan` of a search.

    Args:
        recipe: `ChildRecipe` of the trials.
        dataset: `nasnet_keras.training.data.dataset.Dataset`.
        stages: Sequence of `Stage`, a funnel; `None` without one.
        trials: Integer.
        workers: Integer, the children at a time.
        blocks: Integer, the blocks of a cell.
    """
    if stages is None:
        first = Stage(trials, recipe.steps)
        if recipe.steps is None:
            first = Stage(trials, epochs=recipe.epochs)
        stages = (first, last_stage(recipe, trials))
    step = step_seconds(recipe, dataset, workers)
    start = start_seconds(recipe, dataset, blocks)
    per_epoch = max(1, len(dataset.train[1]) // recipe.batch_size)
    steps = tuple(
        stage.steps if stage.steps else stage.epochs * per_epoch
        for stage in stages
    )
    return Plan(tuple(stages), steps, start, step, workers)


def start_seconds(recipe: Any, dataset: Any, blocks: int = BLOCKS) -> float:
    """Returns the estimated seconds until a child's first training step.

    Args:
        recipe: `ChildRecipe`.
        dataset: `nasnet_keras.training.data.dataset.Dataset`.
        blocks: Integer, the blocks of a cell.
    """
    network = child_network(recipe, dataset)
    cells = 3 * network.cells_per_stack + 2
    if network.stem == "imagenet":
        cells += 2
    return START * blocks * cells / _relative_speed()


def step_seconds(recipe: Any, dataset: Any, workers: int = 1) -> float:
    """Returns the estimated seconds of a training step.

    Args:
        recipe: `ChildRecipe`.
        dataset: `nasnet_keras.training.data.dataset.Dataset`.
        workers: Integer, the children that share the cores.
    """
    if has_gpu():
        return GPU_STEP
    from nasnet_keras import NASNET_A

    network = child_network(recipe, dataset)
    macs = network.count(NASNET_A).macs
    seconds = STEP + 3 * macs * recipe.batch_size / MACS_A_SECOND
    if network.stem == "imagenet":
        seconds *= IMAGENET_STEP
    if usable_cores() >= 2 * workers:
        seconds /= SECOND_CORE
    return seconds / _relative_speed()


@functools.cache
def _relative_speed():
    """The speed of a core of this machine, relative to the measured one's.

    By a product of matrices on one core: on several ones it would wait for
    other processes.
    """
    from threadpoolctl import threadpool_limits

    matrix = np.ones((SIDE, SIDE), "float32")
    seconds = []
    with threadpool_limits(1):
        for _ in range(RUNS):
            began = time.perf_counter()
            matrix @ matrix
            seconds.append(time.perf_counter() - began)
    return SIDE**3 / min(seconds) / REFERENCE_SPEED
