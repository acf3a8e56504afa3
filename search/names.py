"""What may be asked of a search by name. Light: `nasnet --help` reads it."""

# Oracle -> its module in `nasnet_keras.search.oracles`, and its class.
ORACLES = {
    "ppo": ("policy", "PPOOracle"),
    "reinforce": ("policy", "ReinforceOracle"),
    "random": ("random_search", "RandomOracle"),
    "evolution": ("evolution", "EvolutionOracle"),
    "predictor": ("predictor", "PredictorOracle"),
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
