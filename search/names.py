"""Names of oracles, spaces, costs and files.

Imports nothing: `nasnet --help` reads it.
"""

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
# Files in a search's folder: the ended trials, the configuration,
JOURNAL = "trials.jsonl"
CONFIG = "config.json"
# and the trials of the earlier search that it started from.
EARLIER = "warm_start.jsonl"
