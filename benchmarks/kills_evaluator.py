"""The evaluator of kills.py: workers import it by name."""

import random
import time

from nasnet_keras.search import Evaluator


class Sleeping(Evaluator):
    """Sleeps for a moment; its reward follows from the genotype."""

    def measure(self, genotype, **settings):
        text = repr(genotype)
        time.sleep(random.uniform(0.02, 0.3))
        reward = text.count("5x5") / 8 + sum(map(ord, text)) % 101 / 1000
        return {"val_accuracy": reward}, [reward]
