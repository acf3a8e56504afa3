"""Names of oracles, spaces, costs and files.

Imports none of the project: `nasnet --help` reads it.
"""

from typing import Any

# Oracle -> its class, see `nasnet_keras.search.oracles.find_oracle`.
ORACLES = {
    "ppo": "PPOOracle",
    "reinforce": "ReinforceOracle",
    "random": "RandomOracle",
    "evolution": "EvolutionOracle",
    "predictor": "PredictorOracle",
}
# See `nasnet_keras.search.find_space`.
SPACES = (
    "nasnet",
    "nasnet_a",
    "nasnet_a_wired",
    "nasnet_b",
    "enas",
    "darts",
    "nasbench201",
)
# See `nasnet_keras.search.Reward`.
COSTS = ("parameters", "macs", "latency_ms")
# What decides on the size of a network: one of them is given. The filters of
# each genotype follow from a budget.
BUDGETS = ("parameters", "macs")
SIZES = ("filters", *BUDGETS)


def equal_size(configuration: dict[str, Any]) -> str | None:
    """Returns what is equal in all networks of a search: one of `SIZES`.

    Args:
        configuration: Dictionary, the content of `CONFIG`; `None` is returned
            if its evaluator counts nothing.
    """
    network = configuration.get("network") or {}
    return next((name for name in SIZES if network.get(name)), None)


# The measurement of shared weights that says of which age a reward is.
WEIGHTS_STEPS = "weights_steps"
# Of `nasnet search --reward`, by name of the measurement. The first is usual.
REWARDS = {
    "accuracy": "val_accuracy",
    "cross-entropy": "val_likelihood",
}
QUALITIES = tuple(REWARDS.values())
# Validation images that a reward is measured on. The accuracy on 500 orders
# children much less well (Kendall's tau of 0.52 with their later accuracy,
# against 0.63 on 2,000 and 0.67 on 10,000).
REWARD_IMAGES = 2000
# Children of the first stage: so many, or more for each worker.
CHILDREN, CHILDREN_A_WORKER = 48, 8
# Files in a search's folder: the ended trials, the configuration,
JOURNAL = "trials.jsonl"
CONFIG = "config.json"
# the trials of the earlier search that it started from,
EARLIER = "warm_start.jsonl"
# and what the later stages found.
FINALS = "finals.jsonl"
RANKING = "ranking.json"
