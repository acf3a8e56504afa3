"""Policy search: proposals are sampled from a controller that learns."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from nasnet_keras import checks
from nasnet_keras.search.oracles.algorithm import (
    Actions,
    Algorithm,
    Notes,
    Record,
)
from nasnet_keras.search.policy.learner import Learner
from nasnet_keras.search.policy.settings import LOSSES, Settings
from nasnet_keras.search.policy.snapshot import Snapshot
from nasnet_keras.search.spaces.space import SearchSpace

# From this many trials on, the settings of the paper are the default.
PAPER_TRIALS = 5000
# Architectures that are sampled for one trial if some may be refused.
DRAWS = 32


class PolicySearch(Algorithm):
    """Samples architectures from an LSTM controller.

    Sampling never waits for a batch to fill: it uses the current policy. The
    notes of a proposal hold its log-probability under that policy.

    Args:
        space, settings, batch_size, units, loss: See `PPOOracle`.
        max_trials: Integer, on which the default of `settings` depends.
        limited: Whether proposals may be refused by limits.
        known_settings: Dictionary, name -> `Settings`.
        **kwargs: Arguments of `Algorithm`.

    Raises:
        ValueError: If an argument is out of range, or an unknown name.

    Attributes:
        learner: `nasnet_keras.search.policy.learner.Learner`, which trains
            the controller.
    """

    def __init__(
        self,
        space: SearchSpace,
        settings: str | Settings | None,
        batch_size: int | None,
        units: int,
        loss: str,
        max_trials: int,
        limited: bool,
        known_settings: dict[str, Settings],
        **kwargs: Any,
    ):
        super().__init__(space, **kwargs)
        self._settings_given = settings is not None
        if settings is None:
            settings = "small" if max_trials < PAPER_TRIALS else "paper"
        self.batch_size = batch_size
        self.units = checks.integer("units", units, 1)
        self.loss = checks.choice("loss", loss, LOSSES)
        self.limited = limited
        self.learner = self._make_learner(
            _find_settings(settings, known_settings)
        )
        self._cached: tuple[Any, Any] = (None, None)
        self._staleness: int | None = None

    def _make_learner(self, settings):
        if self.batch_size is not None:
            settings = dataclasses.replace(settings, batch_size=self.batch_size)
        return Learner(
            self.space.sizes, settings, self.units, self.seed, self.loss
        )

    @property
    def settings(self) -> Settings:
        """How the policy learns."""
        return self.learner.settings

    def describe(self) -> dict[str, Any]:
        return {
            "settings": dataclasses.asdict(self.settings),
            "units": self.units,
            "loss": self.loss,
        }

    def adopt(self, config: dict[str, Any]) -> None:
        # A search may be continued with more trials: default settings must
        # not change then.
        if not self._settings_given and "settings" in config:
            self.learner = self._make_learner(Settings(**config["settings"]))

    @property
    def repeats(self) -> bool:  # type: ignore[override]
        """Whether a point may be proposed again, see `Settings`."""
        return self.settings.repeats

    def observe(self, record: Record) -> None:
        """Hands the reward of a trial to the learner."""
        if "policy" in record:
            self._staleness = self.learner.updates - record["policy"]
        self.learner.add(
            self.space.to_actions(record["values"]),
            self.reward(record),
            record.get("log_prob"),
        )

    def learn(self) -> bool:
        """Learns from the oldest full batch, if there is one."""
        return self.learner.learn()

    def candidates(self, number: int) -> Iterator[tuple[Actions, Notes]]:
        """Yields samples of the policy, after learning all full batches."""
        self._learn_all()
        for actions, log_p in zip(*self._sample(number)):
            actions = tuple(int(action) for action in actions)
            yield actions, self._notes(log_p)

    def notes_of(self, actions: Actions) -> Notes:
        """Returns the number of updates and the log-probability of a point."""
        self._learn_all()
        controller = self.learner.controller
        return self._notes(controller.log_probability([actions])[0])

    def _learn_all(self):
        while self.learn():
            pass

    def _notes(self, log_p):
        return {"policy": self.learner.updates, "log_prob": float(log_p)}

    def _sample(self, number):
        """Samples the actions for one trial, and their log-probabilities.

        Trials are sampled in fixed blocks of a batch: proposals must not
        depend on where a search was interrupted.
        """
        size = self.settings.batch_size
        block, row = divmod(number, size)
        key = (self.learner.updates, block)
        draws = 1 if self.repeats and not self.limited else DRAWS
        if self._cached[0] != key:
            decisions = len(self.space.sizes)
            noise = [
                np.random.default_rng([self.seed, i]).random((draws, decisions))
                for i in range(block * size, (block + 1) * size)
            ]
            sampled = self.learner.controller.sample(np.concatenate(noise))
            self._cached = (key, sampled)
        rows = slice(row * draws, (row + 1) * draws)
        return [part[rows] for part in self._cached[1]]

    def report(self) -> dict[str, float]:
        """Returns updates, entropy and staleness.

        The entropy, in nats, is estimated by the samples at hand. The
        staleness of a trial is the number of updates between the policy that
        proposed it and the one that its reward reaches.
        """
        found: dict[str, float] = {"policy/updates": self.learner.updates}
        if self._cached[1] is not None:
            found["policy/entropy"] = float(-np.mean(self._cached[1][1]))
        if self._staleness is not None:
            found["policy/staleness"] = self._staleness
        return found

    def snapshot(self) -> Snapshot:
        """Returns the policy and its number of updates."""
        return self.learner.snapshot()

    def restore(self, snapshot: Snapshot) -> None:
        """Takes the policy of an earlier process."""
        self.learner.restore(snapshot)


def _find_settings(settings, known):
    if isinstance(settings, Settings):
        return settings
    if not isinstance(settings, str) or settings not in known:
        raise ValueError(
            f"`settings` must be one of {sorted(known)} or a Settings. "
            f"Received: settings={settings!r}"
        )
    return known[settings]
