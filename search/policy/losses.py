"""Policy-gradient losses, advantages and baseline, as pure functions.

Notation: `B` architectures of `T` decisions with at most `K` options each. An
architecture is one action: its log-probability is the sum over its decisions.
"""

import numpy as np
from keras import ops


def log_probability(log_probs, actions):
    """log p(A): the sum of the log-probabilities of the decisions taken.

    Args:
        log_probs: Tensor `(B, T, K)`.
        actions: Integer tensor `(B, T)`.

    Returns:
        Tensor `(B,)`.
    """
    taken = ops.one_hot(actions, log_probs.shape[-1], dtype=log_probs.dtype)
    return ops.sum(log_probs * taken, axis=(1, 2))


def entropy(log_probs):
    """H = -sum p log p of every decision, summed over the decisions: `(B,)`.

    Options that do not exist have a log-probability of about -1e9 and add 0.
    """
    return -ops.sum(ops.exp(log_probs) * log_probs, axis=(1, 2))


def reinforce_loss(log_p, advantages):
    """-mean(log p(A) * R): its gradient is that of REINFORCE.

    Args:
        log_p: Tensor `(B,)`, log-probabilities under the current policy.
        advantages: Tensor `(B,)`, rewards less a baseline.
    """
    return -ops.mean(log_p * advantages)


def ppo_loss(log_p, old_log_p, advantages, clip):
    """-mean(min(r A, clip(r, 1 - clip, 1 + clip) A)), r = p(A) / p_old(A).

    Schulman et al. 2017 (arXiv 1707.06347), equation 7.

    Args:
        log_p: Tensor `(B,)`, log-probabilities under the current policy.
        old_log_p: Tensor `(B,)`, those under the policy that sampled.
        advantages: Tensor `(B,)`.
        clip: Float.
    """
    ratio = ops.exp(log_p - old_log_p)
    clipped = ops.clip(ratio, 1.0 - clip, 1.0 + clip)
    return -ops.mean(ops.minimum(ratio * advantages, clipped * advantages))


def moving_average(baseline, rewards, decay):
    """Updates the baseline with each reward: b <- decay b + (1 - decay) R.

    Args:
        baseline: Float, or `None` before the first reward, which then becomes
            the baseline.
        rewards: Sequence of floats.
        decay: Float.
    """
    for reward in rewards:
        if baseline is None:
            baseline = float(reward)
        baseline = decay * baseline + (1.0 - decay) * float(reward)
    return baseline


def advantages(rewards, baseline, normalize):
    """How much better than expected each reward was.

    Args:
        rewards: Sequence of floats, a batch.
        baseline: Float, the moving average before the batch; `None` takes the
            mean of the batch.
        normalize: Whether to return `(R - mean) / deviation` of the batch. A
            batch of equal rewards gives zeros.

    Returns:
        float32 array.
    """
    rewards = np.asarray(rewards, "float64")
    if normalize:
        deviation = rewards.std()
        centred = rewards - rewards.mean()
        result = centred / deviation if deviation > 1e-12 else 0 * centred
    else:
        expected = rewards.mean() if baseline is None else baseline
        result = rewards - expected
    return result.astype("float32")
