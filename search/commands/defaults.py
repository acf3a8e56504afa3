"""Defaults of `nasnet search`."""

from typing import Any

# Children between two trainings of shared weights.
CHILDREN_PER_ROUND = 10
# By dataset; a folder has those of CIFAR-10. The demonstration on digits must
# take minutes on two cores.
DEFAULTS: dict[str, dict[str, Any]] = {
    "digits": {
        "image_size": 8,
        "validation_split": 0.2,
        "trials": 6,
        "epochs": 2,
        "filters": 8,
        "cells_per_stack": 1,
        "update_every": 2,
    },
    "cifar10": {
        "image_size": None,
        "validation_split": 0.1,
        "trials": 500,
        "epochs": 20,
        "filters": 16,
        "cells_per_stack": 2,
        "update_every": None,
    },
}


def defaults_for(dataset: str) -> dict[str, Any]:
    """Returns the defaults for a dataset."""
    return DEFAULTS.get(dataset, DEFAULTS["cifar10"])
