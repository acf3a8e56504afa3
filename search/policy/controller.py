"""The policy: an LSTM that makes one softmax prediction per decision.

Appendix A.2 of the paper: one layer, 100 units, weights uniform in
[-0.1, 0.1]. Each prediction is the next input.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from nasnet_keras import checks
from nasnet_keras.search.policy import losses
from nasnet_keras.search.policy.settings import LOSSES, Settings

MASKED = -1e9


def _uniform(seed):
    seed %= checks.LARGEST_SEED + 1
    return keras.initializers.RandomUniform(-0.1, 0.1, seed=seed)


class _Heads(keras.Layer):
    """A softmax layer for each decision, over its options.

    Args:
        sizes: Sequence of integers, the options of each decision.
        seed: Integer.

    Call arguments:
        hidden: Tensor `(batch, decisions, units)`.

    Returns:
        Log-probabilities `(batch, decisions, max(sizes))`.
    """

    def __init__(self, sizes, seed, **kwargs):
        super().__init__(**kwargs)
        self.seed = seed
        options = np.arange(max(sizes))
        exists = options[None, :] < np.array(sizes)[:, None]
        self.mask = np.where(exists, 0.0, MASKED).astype("float32")

    def build(self, input_shape):
        decisions, options = self.mask.shape
        self.kernel = self.add_weight(
            shape=(decisions, input_shape[-1], options),
            initializer=_uniform(self.seed),
            name="kernel",
        )
        self.bias = self.add_weight(
            shape=(decisions, options),
            initializer=_uniform(self.seed + 1),
            name="bias",
        )

    def call(self, hidden):
        logits = ops.einsum("btu,tuk->btk", hidden, self.kernel)
        logits = logits + self.bias + ops.convert_to_tensor(self.mask)
        return ops.log_softmax(logits, axis=-1)

    def step(self, hidden, decision):
        """Log-probabilities `(batch, options)` of one decision."""
        logits = ops.matmul(hidden, self.kernel[decision])
        mask = ops.convert_to_tensor(self.mask[decision])
        logits = logits + self.bias[decision] + mask
        return ops.log_softmax(logits, axis=-1)


class _PolicyModel(keras.Model):
    """Tokens `(B, T)` -> log-probabilities `(B, T, K)`.

    It is trained on dictionaries: `actions` `(B, T)`, their
    `old_log_probability` `(B,)` and `advantages` `(B,)`.
    """

    def __init__(self, inputs, outputs, settings, loss, **kwargs):
        super().__init__(inputs, outputs, **kwargs)
        self.settings = settings
        self.loss_name = loss

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        # `train_on_batch` of torch passes NumPy arrays.
        y = {name: ops.convert_to_tensor(value) for name, value in y.items()}
        log_p = losses.log_probability(y_pred, y["actions"])
        old_log_p, advantages = y["old_log_probability"], y["advantages"]
        if self.loss_name == "ppo":
            clip = self.settings.clip
            loss = losses.ppo_loss(log_p, old_log_p, advantages, clip)
        else:
            loss = losses.reinforce_loss(log_p, advantages)
        bonus = ops.mean(losses.entropy(y_pred))
        return loss - self.settings.entropy_weight * bonus


class Controller:
    """The policy, its optimizer and its loss, on any backend.

    Args:
        sizes: Sequence of integers, the number of options of each decision.
        settings: `nasnet_keras.search.Settings`.
        units: Integer, of the LSTM.
        seed: Integer, of the initial weights.
        loss: `"ppo"` or `"reinforce"`.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        settings: Settings,
        units: int = 100,
        seed: int = 0,
        loss: str = "ppo",
    ):
        checks.choice("loss", loss, LOSSES)
        units, seed = checks.integer("units", units, 1), checks.seed(seed)
        self.sizes = tuple(checks.integer("sizes", n, 1) for n in sizes)
        self.settings = settings
        # The token of option k of decision t is offsets[t] + k; 0 is "start".
        self.offsets = 1 + np.concatenate([[0], np.cumsum(self.sizes)[:-1]])
        self.embedding = keras.layers.Embedding(
            1 + sum(self.sizes), units, embeddings_initializer=_uniform(seed)
        )
        self.lstm = keras.layers.LSTM(
            units,
            return_sequences=True,
            unit_forget_bias=False,
            kernel_initializer=_uniform(seed + 1),
            recurrent_initializer=_uniform(seed + 2),
            bias_initializer=_uniform(seed + 3),
        )
        self.heads = _Heads(self.sizes, seed + 4)
        tokens = keras.Input((len(self.sizes),), dtype="int32")
        outputs = self.heads(self.lstm(self.embedding(tokens)))
        self.model = _PolicyModel(
            tokens, outputs, settings, loss, name="controller"
        )
        self.model.compile(keras.optimizers.Adam(settings.learning_rate))
        self.model.optimizer.build(self.model.trainable_variables)

    def tokens(self, actions) -> np.ndarray:
        """Inputs of the model: "start", then all actions but the last."""
        tokens = np.asarray(actions) + self.offsets
        return np.pad(tokens[:, :-1], [(0, 0), (1, 0)]).astype("int32")

    def log_probs(self, actions) -> np.ndarray:
        """Log-probabilities `(B, T, K)` along given architectures.

        Args:
            actions: Integer array `(B, T)`.
        """
        return self.model.predict_on_batch(self.tokens(actions))

    def log_probability(self, actions) -> np.ndarray:
        """Log-probabilities `(B,)` of architectures `(B, T)`."""
        actions = np.asarray(actions)
        log_probs = self.log_probs(actions)
        taken = np.take_along_axis(log_probs, actions[..., None], axis=2)
        return taken[..., 0].sum(axis=1)

    def sample(self, noise) -> tuple[np.ndarray, np.ndarray]:
        """Samples architectures.

        Args:
            noise: Array `(B, T)` of numbers uniform in [0, 1): the same noise
                and weights give the same architectures.

        Returns:
            Pair: actions, integer array `(B, T)`; their log-probabilities,
            float array `(B,)`.
        """
        batch, decisions = np.shape(noise)
        tokens = np.zeros(batch, "int32")
        states = [ops.zeros((batch, self.lstm.units))] * 2
        actions = np.zeros((batch, decisions), "int64")
        log_p = np.zeros(batch)
        for decision, size in enumerate(self.sizes):
            hidden, states = self.lstm.cell(self.embedding(tokens), states)
            step = self.heads.step(hidden, decision)
            step = ops.convert_to_numpy(step)[:, :size].astype("float64")
            chosen = _choose(np.exp(step), noise[:, decision])
            actions[:, decision] = chosen
            log_p += step[np.arange(batch), chosen]
            tokens = (self.offsets[decision] + chosen).astype("int32")
        return actions, log_p

    def learn(self, actions, old_log_p, advantages) -> None:
        """Takes `settings.epochs` gradient steps on one batch.

        Args:
            actions: Integer array `(B, T)`, the architectures sampled.
            old_log_p: Array `(B,)`, their log-probabilities when sampled.
            advantages: Array `(B,)`.
        """
        tokens = self.tokens(actions)
        targets = {
            "actions": np.asarray(actions, "int32"),
            "old_log_probability": np.asarray(old_log_p, "float32"),
            "advantages": np.asarray(advantages, "float32"),
        }
        for _ in range(self.settings.epochs):
            self.model.train_on_batch(tokens, targets)

    def get_weights(self) -> list[np.ndarray]:
        """Returns the weights of the policy and the optimizer's variables."""
        return [ops.convert_to_numpy(v) for v in self._variables]

    def set_weights(self, values: Sequence[np.ndarray]) -> None:
        """Sets weights that `get_weights` returned."""
        for variable, value in zip(self._variables, values, strict=True):
            variable.assign(value)

    @property
    def _variables(self):
        return [*self.model.variables, *self.model.optimizer.variables]


def _choose(probabilities, noise):
    """Inverse-transform sampling, one option for each row."""
    cumulative = np.cumsum(probabilities, axis=1)
    above = noise[:, None] * cumulative[:, -1:] < cumulative
    return above.argmax(axis=1)
