"""The search for cells: spaces, the controller, oracles, evaluators.

Installed as `nasnet_keras.search`. Names are loaded when first used.
"""

import importlib

if __name__ != "nasnet_keras.search":
    raise ImportError(
        "Import the search as `nasnet_keras.search`: `pip install -e .` maps "
        f"this folder there. Received: import {__name__}"
    )

_HOMES = {
    "Decision": "space",
    "NASNetSpace": "space",
    "SearchSpace": "space",
    "Controller": "controller",
    "Settings": "ppo",
    "PPOOracle": "ppo_oracle",
    "RandomOracle": "oracle",
    "SearchMismatchError": "oracle",
    "SpaceOracle": "oracle",
    "CellTuner": "tuner",
    "TrainFromScratch": "evaluator",
}

__all__ = sorted(_HOMES)


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_HOMES[name]}")
    return getattr(module, name)
