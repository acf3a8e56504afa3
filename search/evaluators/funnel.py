"""The stages of a search: many short trainings, then a few longer ones.

Jamieson and Talwalkar 2016 (successive halving, arXiv 1502.07943): all
children are trained briefly, the best of them again and for longer. Each
stage trains from scratch with a seed of its own, so that no child goes on
because its first weights were lucky, and the last stage alone decides.
"""

import dataclasses
import itertools
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from nasnet_keras import checks
from nasnet_keras.search.evaluators.children import ChildRecipe

# The stage that follows where none is given: its children, as a share of the
# trials, and the length of its schedule, relative to theirs.
LAST_SHARE, LONGER = 1 / 6, 3
LEAST_CHILDREN = 2  # Of a stage: it compares them.
SPELLING = re.compile(r"(\d+)x(\d+)")
EXAMPLE = "125x48,375x8 (48 children of 125 steps, the best 8 of 375)"
# First word of the spawn keys, see `nasnet_keras.search.oracles.core`.
SEEDS = 3
EPOCHS = "epochs"  # The setting that a longer stage multiplies.


@dataclasses.dataclass(frozen=True)
class Stage:
    """How many children are trained, and for how long.

    Args:
        children: Integer.
        steps: Integer, training steps; `None` trains by epochs.
        epochs: Integer; not used with `steps`.
    """

    children: int
    steps: int | None = None
    epochs: int | None = None

    @property
    def schedule(self) -> dict[str, Any]:
        """The fields of a `ChildRecipe` that the stage sets."""
        if self.steps is not None:
            return {"steps": self.steps}
        return {"steps": None, "epochs": self.epochs}

    def length(self, recipe: ChildRecipe) -> float:
        """Returns how much longer the training is than a recipe's."""
        if self.steps is not None and recipe.steps is not None:
            return self.steps / recipe.steps
        if self.epochs is not None and recipe.steps is None:
            return self.epochs / recipe.epochs
        return 1.0

    def __str__(self) -> str:
        unit = "steps" if self.steps is not None else "epochs"
        return f"{getattr(self, unit)} {unit}"


def parse_funnel(text: str) -> tuple[Stage, ...]:
    """Returns the stages of `125x48,375x8`: steps and children of each.

    Raises:
        ValueError: If the text has another form, or `check_stages` refuses
            the stages.
    """
    parts = [SPELLING.fullmatch(part.strip()) for part in text.split(",")]
    if None in parts:
        raise ValueError(
            f"`funnel` must be stages of STEPSxCHILDREN, such as {EXAMPLE}. "
            f"Received: funnel={text!r}"
        )
    stages = [Stage(int(part[2]), steps=int(part[1])) for part in parts if part]
    return check_stages(stages)


def check_stages(stages: Sequence[Stage]) -> tuple[Stage, ...]:
    """Returns stages, each with fewer children and more steps than the last.

    Raises:
        ValueError: If they are not so, or there are fewer than two: the best
            reward of one stage is often a lucky one.
    """
    if not _narrows(stages):
        raise ValueError(
            "`funnel` must be two stages or more, each with fewer children "
            f"(at least {LEAST_CHILDREN}) and more steps than the one before, "
            f"such as {EXAMPLE}. Received: funnel={_received(stages)!r}"
        )
    return tuple(stages)


def _narrows(stages):
    if not isinstance(stages, Sequence) or len(stages) < 2:
        return False
    numbers = [
        (stage.children, stage.steps)
        for stage in stages
        if isinstance(stage, Stage)
        and checks.is_integer(stage.children, LEAST_CHILDREN)
        and checks.is_integer(stage.steps, 1)
    ]
    return len(numbers) == len(stages) and all(
        fewer < children and more > steps
        for (children, steps), (fewer, more) in itertools.pairwise(numbers)
    )


def _received(stages):
    """As it was spelt, if it was."""
    try:
        return funnel_text(stages)
    except (TypeError, AttributeError):
        return stages


def funnel_text(stages: Sequence[Stage]) -> str:
    """Returns stages as `parse_funnel` reads them."""
    return ",".join(f"{s.steps}x{s.children}" for s in stages)


def last_stage(recipe: ChildRecipe, trials: int) -> Stage:
    """Returns the stage that follows a search without a `funnel`.

    Args:
        recipe: `ChildRecipe` of the trials.
        trials: Integer, their number.
    """
    children = min(trials, max(LEAST_CHILDREN, round(LAST_SHARE * trials)))
    if recipe.steps is not None:
        return Stage(children, steps=LONGER * recipe.steps)
    return Stage(children, epochs=LONGER * recipe.epochs)


def settings_of_stage(
    settings: dict[str, Any], length: float
) -> dict[str, Any]:
    """Returns the searched settings of a trial as a later stage takes them.

    Where the epochs are searched, each child of the stage is trained longer
    by the same factor.

    Args:
        settings: Dictionary, name -> value.
        length: Float, the training of the stage relative to the trials'.
    """
    if EPOCHS not in settings:
        return settings
    return {**settings, EPOCHS: round(length * settings[EPOCHS])}


def seed_of_stage(seed: int, stage: int) -> int:
    """Returns the seed of the children of a stage.

    Args:
        seed: Integer, of the trials.
        stage: Integer, 0 for the trials themselves.
    """
    if stage == 0:
        return seed
    stream = np.random.SeedSequence(checks.seed(seed), spawn_key=(SEEDS, stage))
    return int(stream.generate_state(1)[0])
