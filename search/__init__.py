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
    "EvolutionOracle": "oracles.keras_tuner_oracles",
    "PPOOracle": "oracles.keras_tuner_oracles",
    "PredictorOracle": "oracles.keras_tuner_oracles",
    "RandomOracle": "oracles.keras_tuner_oracles",
    "ReinforceOracle": "oracles.keras_tuner_oracles",
    "SearchMismatchError": "oracles.ledger",
    "SpaceOracle": "oracles.adapter",
    "Limits": "evaluators.limits",
    "Network": "evaluators.network",
    "CellTuner": "engines.tuner",
    "Isolated": "engines.local",
    "OnRay": "engines.on_ray",
    "imagenet_networks": "assembly",
    "SearchResults": "results",
    "open_search": "results",
    "retrain": "retraining",
    "search": "run",
    "ChildRecipe": "evaluators.children",
    "Evaluation": "evaluators.evaluator",
    "Evaluator": "evaluators.evaluator",
    "EvaluatorError": "evaluators.evaluator",
    "MedianStopping": "evaluators.stopping",
    "Reward": "evaluators.rewards",
    "Rounds": "evaluators.shared.evaluator",
    "SharedWeights": "evaluators.shared.evaluator",
    "Supernet": "evaluators.shared.supernet",
    "Tabular": "evaluators.tabular",
    "TrainFromScratch": "evaluators.from_scratch",
}

# Former names.
_ALIASES = {"Found": "SearchResults"}

__all__ = sorted([*_HOMES, *_ALIASES])


def __getattr__(name):
    name = _ALIASES.get(name, name)
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_HOMES[name]}")
    return getattr(module, name)
