"""Checks of the arguments that all oracles share."""

from __future__ import annotations

import json
from typing import Any

import keras_tuner

from nasnet_keras import checks
from nasnet_keras.search.spaces.space import SearchSpace


def check_space(space: Any) -> None:
    """Raises ValueError unless `space` is a `SearchSpace`."""
    if not isinstance(space, SearchSpace):
        raise ValueError(
            "`space` must be a SearchSpace, see `find_space`. Received: "
            f"space={space!r}"
        )


def check_objective(objective: Any) -> None:
    """Raises ValueError unless it is one objective, or `None`."""
    one = isinstance(objective, str | keras_tuner.Objective)
    several = hasattr(objective, "objectives")  # KerasTuner's container.
    if objective is not None and (several or not one):
        raise ValueError(
            "`objective` must be a string or a keras_tuner.Objective. Of "
            "several objectives, let the tuner report one number, as "
            "`Reward(cost, target)` makes it of accuracy and cost. Received: "
            f"objective={objective!r}"
        )


def check_context(context: Any) -> dict[str, Any]:
    """Returns the context of a search, `{}` for `None`.

    Raises:
        ValueError: If it is no dictionary that JSON can hold.
    """
    context = {} if context is None else context
    try:
        if not isinstance(context, dict):
            raise TypeError("It is no dictionary")
        json.dumps(context)
    except (TypeError, ValueError) as error:
        raise ValueError(
            "`context` must be a dictionary of strings, plain numbers, lists "
            f"and dictionaries. {error}. Received: context={context!r}"
        ) from error
    return context


def check_failures(retries: Any, failures: Any) -> dict[str, int]:
    """Returns the arguments of `keras_tuner.Oracle` about failed trials."""
    return {
        "max_retries_per_trial": checks.integer(
            "max_retries_per_trial", retries, 0
        ),
        "max_consecutive_failed_trials": checks.integer(
            "max_consecutive_failed_trials", failures, 1
        ),
    }
