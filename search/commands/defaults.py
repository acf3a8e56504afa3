"""Defaults of `nasnet search`."""

from typing import Any

from nasnet_keras.search.names import SIZES

# Where they are not given, for images of the user's own.
CELLS_PER_STACK, CELLS_ON_GPU = 1, 2
BATCH_SIZE = 64  # Or all training images, if there are fewer.
# The side of a folder's images: this where most are as large, else at most
# the smaller one, which children train on in less time.
SIDE, SMALL_SIDE = 64, 32
# Children between two trainings of shared weights.
CHILDREN_PER_ROUND = 10
# For all datasets.
COMMON = {"space": "nasnet", "blocks": None, "reward": "accuracy"}
# By dataset. For images of the user's own, what is `None` is chosen once they
# are known, see `nasnet_keras.search.planning`.
DEFAULTS: dict[str, dict[str, Any]] = {
    "digits": {
        "image_size": 8,
        "validation_split": 0.2,
        "trials": 6,
        "epochs": 2,
        "cells_per_stack": 1,
        "update_every": 2,
    },
    "others": {
        "image_size": None,
        "validation_split": 0.1,
        "trials": None,
        "epochs": None,
        "cells_per_stack": None,
        "update_every": None,
    },
}
# The demonstration, `nasnet search` without options: at least 40 trials of PPO
# and as many random ones, in eight minutes with the install. So few do not beat
# random ones, see docs/results.md.
DEMONSTRATION = {
    "space": "nasnet_a_wired",
    "blocks": 2,
    "reward": "cross-entropy",
    "parameters": 12000,
    "steps": 40,
    "trials": 40,
    "update_every": 4,
}
# What a search that goes on takes from its folder, unless it is given. Earlier
# versions wrote filters, and no `reward_images`: all validation images.
KEPT = (
    *("image_size", "validation_split", "trials", "cells_per_stack"),
    *("update_every", "reward_images"),
)
SCHEDULE = ("epochs", "steps", "funnel")


def defaults_for(dataset: str) -> dict[str, Any]:
    """Returns the defaults for a dataset."""
    return DEFAULTS.get(dataset, DEFAULTS["others"])


def complete(args: Any, recorded: dict[str, Any] | None) -> None:
    """Sets the arguments that were not given.

    Args:
        args: Parsed arguments; those without a default are absent.
        recorded: Arguments of the search in the folder, if there is one.
    """
    if args.demonstration:
        _complete_demonstration(args, recorded)
    if recorded is not None:
        # The trials of another funnel are its own.
        own = {"trials"} if getattr(args, "funnel", None) else set()
        _take(args, recorded, [name for name in KEPT if name not in own])
        for group in (SIZES, SCHEDULE):  # One of each decides.
            if not any(getattr(args, name, None) for name in group):
                _take(args, recorded, group)
        if not hasattr(args, "reward_images"):
            args.reward_images = None
    defaults = {**COMMON, **defaults_for(args.dataset)}
    if any(getattr(args, name, None) for name in SCHEDULE):
        defaults["epochs"] = None
    if getattr(args, "funnel", None):
        defaults["trials"] = None  # They are its first stage.
    for name, value in defaults.items():
        if not hasattr(args, name):
            setattr(args, name, value)
    for name in (*SIZES, *SCHEDULE):
        if not hasattr(args, name):
            setattr(args, name, None)


def _complete_demonstration(args, recorded):
    """Sets what the demonstration does; one that goes on does what it did."""
    for name, value in DEMONSTRATION.items():
        if name == "trials" and hasattr(args, name):
            continue
        if recorded is not None:  # Of earlier versions: other values.
            value = recorded.get(name, COMMON.get(name))
        setattr(args, name, value)


def _take(args, recorded, names):
    for name in names:
        if name in recorded and not hasattr(args, name):
            setattr(args, name, recorded[name])
