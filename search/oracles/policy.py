"""Oracles whose proposals are sampled from a controller that learns.

One by PPO, as the paper's; one by plain policy gradients (REINFORCE).
"""

import dataclasses
import io
import zipfile

import numpy as np

from nasnet_keras.runs.files import write_atomically
from nasnet_keras.search.oracles.base import SpaceOracle
from nasnet_keras.search.policy import losses
from nasnet_keras.search.policy import settings as policy_settings
from nasnet_keras.search.policy.controller import Controller

SNAPSHOT = "controller.npz"
PAPER_TRIALS = 5000
# Architectures that are sampled for one trial, where it must be a new one.
DRAWS = 32


class PPOOracle(SpaceOracle):
    """Searches with an LSTM controller trained by proximal policy optimization.

    Appendix A.2 of the paper. It never makes a tuner wait: while a batch
    fills, it goes on sampling from the policy that it has; each trial's
    log-probability under the policy that proposed it is kept.

    Args:
        space: `SearchSpace`.
        settings: `"paper"` (appendix A.2), `"small"` (hundreds of trials) or
            a `nasnet_keras.search.policy.losses.Settings`. Defaults to `"small"` below
            5,000 trials.
        batch_size: Integer, trials per update, in place of the settings' own.
        units: Integer, of the LSTM.
        loss: `"ppo"` or `"reinforce"`.
        **kwargs: Arguments of `SpaceOracle`.

    Raises:
        ValueError: If `settings` names nothing.
    """

    # What `settings` may name.
    known_settings = policy_settings.SETTINGS

    def __init__(
        self,
        space,
        settings=None,
        batch_size=None,
        units=100,
        loss="ppo",
        **kwargs,
    ):
        super().__init__(space, **kwargs)
        self._settings_given = settings is not None
        if settings is None:
            settings = "small" if self.max_trials < PAPER_TRIALS else "paper"
        self._batch_size = (
            {} if batch_size is None else {"batch_size": batch_size}
        )
        self.settings = dataclasses.replace(
            self._find_settings(settings), **self._batch_size
        )
        self.units = units
        self.loss = loss
        self.baseline = None
        self.updates = 0
        self._batch = []
        self._full_batches = []
        self._worst = None
        self._cached = (None, None)
        self._controller = None

    def _find_settings(self, settings):
        if isinstance(settings, policy_settings.Settings):
            return settings
        if settings not in self.known_settings:
            raise ValueError(
                f"`settings` must be one of {sorted(self.known_settings)} or "
                f"a Settings. Received: settings={settings!r}"
            )
        return self.known_settings[settings]

    def describe(self):
        return {
            **super().describe(),
            "settings": dataclasses.asdict(self.settings),
            "units": self.units,
            "loss": self.loss,
        }

    def adopt(self, config):
        super().adopt(config)
        # More trials may be asked of a search: that must not change its
        # settings, unless they were asked for.
        if not self._settings_given and "settings" in config:
            self.settings = dataclasses.replace(
                policy_settings.Settings(**config["settings"]),
                **self._batch_size,
            )

    @property
    def controller(self):
        """The policy, as it is now."""
        if self._controller is None:
            self._controller = Controller(
                self.space.sizes,
                self.settings,
                self.units,
                self.seed,
                self.loss,
            )
        return self._controller

    @property
    def repeats(self):
        """Whether a point may be proposed again: as the settings say."""
        return self.settings.repeats

    def candidates(self, number):
        """Yields samples of the policy as it is now."""
        self._learn()
        for actions, log_p in zip(*self._sample(number)):
            actions = tuple(int(action) for action in actions)
            yield actions, self._notes(log_p)

    def notes_of(self, actions):
        """Returns the policy and the probability that it gives to a point."""
        self._learn()
        return self._notes(self.controller.log_probability([actions])[0])

    def _notes(self, log_p):
        return {"policy": self.updates, "log_prob": float(log_p)}

    def _sample(self, number):
        """Several actions for one trial, and their log-probabilities.

        A block of trials is sampled at once, always the same one: what is
        proposed must not depend on where a search was interrupted.
        """
        block, row = divmod(number, self.settings.batch_size)
        key = (self.updates, block)
        draws = 1 if self.repeats and not self.limits else DRAWS
        size = self.settings.batch_size
        if self._cached[0] != key:
            decisions = len(self.space.sizes)
            noise = [
                np.random.default_rng([self.seed, i]).random((draws, decisions))
                for i in range(block * size, (block + 1) * size)
            ]
            sampled = self.controller.sample(np.concatenate(noise))
            self._cached = (key, sampled)
        rows = slice(row * draws, (row + 1) * draws)
        return [part[rows] for part in self._cached[1]]

    def observe(self, record):
        """Adds a trial to the batch; the next proposal learns full batches."""
        reward = self._reward(record)
        if reward is None:
            return
        self._batch.append((record, reward))
        if len(self._batch) == self.settings.batch_size:
            self._full_batches.append(self._batch)
            self._batch = []

    def _reward(self, record):
        """The score, larger is better; a failure counts as the worst yet."""
        reward = self.reward(record)
        if reward is None:
            return self._worst
        self._worst = (
            reward if self._worst is None else min(self._worst, reward)
        )
        return reward

    def _learn(self):
        if self._full_batches and not self.updates:
            self._take_snapshot()
        while self._full_batches:
            records, rewards = zip(*self._full_batches[0])
            actions = [self.space.to_actions(r["values"]) for r in records]
            self.controller.learn(
                np.array(actions),
                self._old_log_p(records, actions),
                losses.advantages(
                    rewards, self.baseline, self.settings.normalize
                ),
            )
            self._count_update()
            self._write_snapshot()

    def _old_log_p(self, records, actions):
        """Log-probabilities when proposed; of trials that a search without a
        policy proposed (`warm_start`), those that the policy gives them now."""
        if all("log_prob" in record for record in records):
            return np.array([record["log_prob"] for record in records])
        return self.controller.log_probability(actions)

    def _count_update(self):
        """Moves on by the oldest full batch."""
        rewards = [reward for _, reward in self._full_batches.pop(0)]
        decay = self.settings.baseline_decay
        self.baseline = losses.moving_average(self.baseline, rewards, decay)
        self.updates += 1

    # A snapshot is the policy after a number of updates. It only spares the
    # time of learning them again: the journal alone gives the same policy.

    def _write_snapshot(self):
        buffer = io.BytesIO()
        weights = self.controller.get_weights()
        np.savez(buffer, *weights, updates=self.updates)
        write_atomically(self.folder / SNAPSHOT, buffer.getvalue())

    def _take_snapshot(self):
        try:
            content = io.BytesIO((self.folder / SNAPSHOT).read_bytes())
            file = np.load(content)
            updates = int(file["updates"])
            weights = [file[f"arr_{i}"] for i in range(len(file.files) - 1)]
        except (OSError, KeyError, ValueError, zipfile.BadZipFile):
            return
        if updates <= len(self._full_batches):
            self.controller.set_weights(weights)
            for _ in range(updates):
                self._count_update()


class ReinforceOracle(PPOOracle):
    """Searches with an LSTM controller trained by plain policy gradients.

    Williams 1992, as Zoph and Le 2017 (arXiv 1611.01578) trained theirs.

    Args: those of `PPOOracle` but `loss`. In its settings a batch is learnt
    in one step.
    """

    known_settings = policy_settings.REINFORCE_SETTINGS

    def __init__(self, space, **kwargs):
        super().__init__(space, loss="reinforce", **kwargs)
