"""The hyperparameters of a policy's training, with tested values."""

import dataclasses

from nasnet_keras import checks

LOSSES = ("ppo", "reinforce")


@dataclasses.dataclass(frozen=True)
class Settings:
    """How a policy learns from batches of architectures.

    Args:
        learning_rate: Float, of Adam.
        batch_size: Integer, architectures per update.
        epochs: Integer, gradient steps on each batch.
        clip: Float, largest distance of a probability ratio from 1.
        entropy_weight: Float, of the entropy bonus.
        baseline_decay: Float, of the moving average of rewards.
        normalize: Whether advantages are standardized within the batch: less
            their mean, divided by their standard deviation.
        repeats: Whether an architecture may be evaluated again. The paper's
            20,000 children were sampled freely; with a few hundred trials,
            each should be a new architecture.

    Raises:
        ValueError: If an argument is out of range.
    """

    learning_rate: float
    batch_size: int
    epochs: int
    clip: float
    entropy_weight: float
    baseline_decay: float
    normalize: bool
    repeats: bool = False

    def __post_init__(self) -> None:
        def check(function, name, *limits, **more):
            value = function(name, getattr(self, name), *limits, **more)
            object.__setattr__(self, name, value)

        for name in ("normalize", "repeats"):
            check(checks.flag, name)
        # One example less the mean of one is 0.
        check(checks.integer, "batch_size", 2 if self.normalize else 1)
        check(checks.integer, "epochs", 1)
        for name in ("learning_rate", "clip"):
            check(checks.number, name, above=0)
        check(checks.number, "entropy_weight", 0)
        check(checks.number, "baseline_decay", 0, most=1)


SETTINGS: dict[str, Settings] = {
    # Appendix A.2, for thousands of trials. The paper does not state the clip
    # (0.2 is that of the PPO paper) nor more than one step per batch.
    "paper": Settings(
        learning_rate=0.00035,
        batch_size=20,
        epochs=1,
        clip=0.2,
        entropy_weight=0.00001,
        baseline_decay=0.95,
        normalize=False,
        repeats=True,
    ),
    # For hundreds of trials; chosen on NAS-Bench-201 and on the synthetic
    # reward of `benchmarks/controller.py`.
    "small": Settings(
        learning_rate=0.001,
        batch_size=10,
        epochs=10,
        clip=0.2,
        entropy_weight=0.00001,
        baseline_decay=0.95,
        normalize=True,
    ),
}

# A plain policy gradient takes one step per batch: at a second step the batch
# would no longer be a sample of the current policy. Chosen on NAS-Bench-201.
REINFORCE_SETTINGS: dict[str, Settings] = {
    "paper": SETTINGS["paper"],
    "small": dataclasses.replace(
        SETTINGS["small"], epochs=1, learning_rate=0.01
    ),
}
