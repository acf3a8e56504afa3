"""The controller on a synthetic reward in the paper's space of 50 decisions.

    python benchmarks/controller.py [--seeds 5] [--samples 1000]

The reward is the share of one operation among the 20 operation decisions:
1/13 by chance. Prints, for each seed, the mean reward of batches during the
search, with the settings `small` and `paper` and for random search.
"""

import argparse

import numpy as np

from nasnet_keras.search import Controller, NASNetSpace
from nasnet_keras.search.policy.losses import advantages, moving_average
from nasnet_keras.search.policy.settings import SETTINGS

REWARDED = 10
SHOWN = 10


def shares(settings, seed, samples, learn=True):
    """Returns the mean reward of each batch."""
    space = NASNetSpace()
    operations = ["operation" in d.name for d in space.decisions]
    controller = Controller(space.sizes, settings, seed=seed)
    means, baseline = [], None
    for batch in range(samples // settings.batch_size):
        noise = np.random.default_rng([seed, batch]).random(
            (settings.batch_size, len(space.sizes))
        )
        actions, log_p = controller.sample(noise)
        rewards = (actions[:, operations] == REWARDED).mean(axis=1)
        means.append(rewards.mean())
        if learn:
            advantage = advantages(rewards, baseline, settings.normalize)
            controller.learn(actions, log_p, advantage)
            baseline = moving_average(
                baseline, rewards, settings.baseline_decay
            )
    return means


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--samples", type=int, default=1000)
    args = parser.parse_args()
    cases = {
        "small": (SETTINGS["small"], True),
        "paper": (SETTINGS["paper"], True),
        "random": (SETTINGS["small"], False),
    }
    for name, (settings, learn) in cases.items():
        for seed in range(args.seeds):
            means = shares(settings, seed, args.samples, learn)
            step = max(1, len(means) // SHOWN)
            row = " ".join(f"{mean:.2f}" for mean in means[step - 1 :: step])
            print(f"{name:7} seed {seed}: {row}", flush=True)


if __name__ == "__main__":
    main()
