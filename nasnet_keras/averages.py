"""Optimizers whose moving averages of the weights follow from the start.

Keras averages with a fixed momentum: with 0.9999 the average of a training of
some hundred updates is still its first weights. TF-slim, with which NASNet
was trained, uses `tf.train.ExponentialMovingAverage` with `num_updates`. As
there, the average begins with the initial weights.
"""

from typing import Any

import keras
from keras import ops

from nasnet_keras.momentum import MomentumSGD


def average_momentum(decay: float, updates: Any) -> Any:
    """The momentum of the average at an update.

        min(decay, (1 + updates) / (10 + updates))

    Args:
        decay: Float, the momentum of a long training.
        updates: Number or tensor, the updates done, this one included.

    Returns:
        Float tensor.
    """
    updates = ops.cast(updates, "float32")
    return ops.minimum(decay, (1.0 + updates) / (10.0 + updates))


class _FollowingAverages:
    """Replaces the rule of a Keras optimizer's averages (`use_ema`)."""

    def add_variable_from_reference(
        self, reference_variable, name=None, initializer="zeros"
    ):
        if name == "average":
            # A function: Keras may make the variable in a traced step, and
            # calls it outside.
            def initializer(shape, dtype=None):
                return ops.copy(ops.cast(reference_variable.value, dtype))

        return super().add_variable_from_reference(
            reference_variable, name, initializer
        )

    def _update_model_variables_moving_average(self, trainable_variables):
        steps = ops.add(self._iterations, 1)  # This one included.
        accumulated = self.gradient_accumulation_steps or 1
        updates = ops.floor_divide(steps, accumulated)
        momentum = average_momentum(self.ema_momentum, updates)
        # Keras calls this after every step. The weights change, and the
        # average moves, only in a step that makes an update.
        waits = ops.not_equal(ops.mod(steps, accumulated), 0)
        momentum = ops.where(waits, 1.0, momentum)
        for variable, average in zip(
            trainable_variables, self._model_variables_moving_average
        ):
            if average is not None:
                kept = ops.cast(momentum, average.dtype)
                average.assign(
                    ops.add(
                        ops.multiply(kept, average),
                        ops.multiply(1 - kept, variable),
                    )
                )


@keras.saving.register_keras_serializable(package="nasnet_keras")
class AveragingSGD(_FollowingAverages, MomentumSGD):
    """`keras.optimizers.SGD` with averages by `average_momentum`."""


@keras.saving.register_keras_serializable(package="nasnet_keras")
class AveragingRMSprop(_FollowingAverages, keras.optimizers.RMSprop):
    """`keras.optimizers.RMSprop` with averages by `average_momentum`."""
