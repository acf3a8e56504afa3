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
    "Decision": "spaces",
    "DARTSSpace": "spaces",
    "NASBench201Space": "spaces",
    "NASNetSpace": "spaces",
    "SearchSpace": "spaces",
    "WiredSpace": "spaces",
    "find_space": "spaces",
    "Controller": "policy.controller",
    "Settings": "policy.settings",
    "EvolutionOracle": "oracles.evolution",
    "PPOOracle": "oracles.policy",
    "PredictorOracle": "oracles.predictor",
    "RandomOracle": "oracles.random_search",
    "ReinforceOracle": "oracles.policy",
    "SearchMismatchError": "oracles.base",
    "SpaceOracle": "oracles.base",
    "Limits": "evaluators.limits",
    "Network": "evaluators.limits",
    "CellTuner": "engines.tuner",
    "Found": "run",
    "Isolated": "evaluators.isolated",
    "open_search": "run",
    "retrain": "retraining",
    "search": "run",
    "ChildRecipe": "evaluators.from_scratch",
    "Evaluation": "evaluators.evaluator",
    "Evaluator": "evaluators.evaluator",
    "MedianStopping": "evaluators.stopping",
    "Reward": "evaluators.rewards",
    "Rounds": "evaluators.shared.evaluator",
    "SharedWeights": "evaluators.shared.evaluator",
    "Supernet": "evaluators.shared.supernet",
    "Tabular": "evaluators.tabular",
    "TrainFromScratch": "evaluators.from_scratch",
}

__all__ = sorted(_HOMES)


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_HOMES[name]}")
    return getattr(module, name)
