"""Trains the policy on rewards; no other module trains it."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nasnet_keras.runs.arrays import fit_into
from nasnet_keras.runs.notices import notice
from nasnet_keras.search.policy import losses
from nasnet_keras.search.policy.controller import Controller
from nasnet_keras.search.policy.settings import Settings
from nasnet_keras.search.policy.snapshot import Snapshot


class Example(NamedTuple):
    """An ended trial: `log_prob` is that of its proposal, if known."""

    actions: tuple[int, ...]
    reward: float
    log_prob: float | None


class Learner:
    """Trains a controller on ended trials, one batch at a time.

    Args:
        sizes: Sequence of integers, the number of options of each decision.
        settings: `Settings`.
        units: Integer, of the LSTM.
        seed: Integer, of the initial weights.
        loss: `"ppo"` or `"reinforce"`.

    Attributes:
        updates: Integer, the batches learned.
        baseline: Float, the moving average of rewards; `None` before the
            first update.
        worst: Float, the lowest reward added; `None` before the first.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        settings: Settings,
        units: int = 100,
        seed: int = 0,
        loss: str = "ppo",
    ):
        self.settings = settings
        self.updates = 0
        self.baseline: float | None = None
        self.worst: float | None = None
        self._make_controller = functools.partial(
            Controller, sizes, settings, units, seed, loss
        )
        self._waiting: list[Example] = []
        self._snapshot: Snapshot | None = None

    @functools.cached_property
    def controller(self) -> Controller:
        """The policy, built when first used."""
        return self._make_controller()

    def add(
        self,
        actions: tuple[int, ...],
        reward: float | None,
        log_prob: float | None = None,
    ) -> None:
        """Adds an ended trial. A batch is learned by `learn`.

        Args:
            actions: Tuple of option indices.
            reward: Float, larger is better; `None` if the trial failed.
            log_prob: Optional float, the log-probability of `actions` under
                the policy that proposed them.
        """
        reward = self.reward_or_worst(reward)
        if reward is not None:
            self._waiting.append(Example(actions, reward, log_prob))

    def reward_or_worst(self, reward: float | None) -> float | None:
        """Returns the reward; for a failure the lowest reward so far."""
        if reward is None:
            return self.worst
        self.worst = reward if self.worst is None else min(self.worst, reward)
        return reward

    def learn(self) -> bool:
        """Learns from the oldest full batch. Returns whether there was one."""
        self._use_snapshot()
        if not self._full_batches:
            return False
        batch = self._waiting[: self.settings.batch_size]
        actions = np.array([example.actions for example in batch])
        advantages = losses.advantages(
            [example.reward for example in batch],
            self.baseline,
            self.settings.normalize,
        )
        self.controller.learn(actions, self._old_log_p(batch), advantages)
        self._finish_batch()
        return True

    @property
    def _full_batches(self):
        return len(self._waiting) // self.settings.batch_size

    def _old_log_p(self, batch):
        """Log-probabilities under the policy that proposed the batch.

        Trials of a `warm_start` may come from a search without a policy: then
        the current log-probabilities are taken.
        """
        if all(example.log_prob is not None for example in batch):
            return np.array([example.log_prob for example in batch])
        return self.controller.log_probability([e.actions for e in batch])

    def _finish_batch(self):
        """Removes the oldest batch and updates the baseline with it."""
        size = self.settings.batch_size
        rewards = [example.reward for example in self._waiting[:size]]
        del self._waiting[:size]
        decay = self.settings.baseline_decay
        self.baseline = losses.moving_average(self.baseline, rewards, decay)
        self.updates += 1

    def snapshot(self) -> Snapshot:
        """Returns the current policy."""
        return Snapshot(self.updates, self.controller.get_weights())

    def restore(self, snapshot: Snapshot) -> None:
        """Takes a snapshot, to be used at the first full batch.

        Only after all trials of the folder have been added is it known
        whether the snapshot belongs to them.
        """
        self._snapshot = snapshot

    def _use_snapshot(self):
        """Skips the batches that a snapshot has learned."""
        if self._snapshot is None or self.updates or not self._full_batches:
            return
        snapshot, self._snapshot = self._snapshot, None
        weights = self.controller.get_weights()
        if not 0 <= snapshot.updates <= self._full_batches:
            notice(
                "The snapshot of the policy (controller.npz) is of other "
                "trials: the policy is learned anew from the journal."
            )
        elif not fit_into(snapshot.weights, weights):
            notice(
                "The snapshot of the policy (controller.npz) is of a policy of "
                "another size: it is learned anew from the journal."
            )
        else:
            self.controller.set_weights(snapshot.weights)
            for _ in range(snapshot.updates):
                self._finish_batch()
