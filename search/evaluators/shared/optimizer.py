"""SGD that moves the weights of the branches that were taken, no others."""

import keras
from keras import ops


class TakenSGD(keras.optimizers.SGD):
    """`keras.optimizers.SGD` that leaves weights without a gradient alone.

    In a network that contains all children, a step takes one branch of each
    place. On TensorFlow and JAX the weights of the other branches have a
    gradient of zeros: their momentum would move them on, in a direction of
    many steps ago. On torch they have none, and Keras leaves them out.
    """

    def update_step(self, gradient, variable, learning_rate):
        """Updates a variable and its momentum, if the gradient is not 0."""
        taken = ops.any(ops.not_equal(gradient, 0))
        rate = ops.cast(learning_rate, variable.dtype)
        step = ops.multiply(ops.cast(gradient, variable.dtype), rate)
        change = ops.negative(step)
        if self.momentum:
            momentum = self.momentums[self._get_variable_index(variable)]
            factor = ops.cast(self.momentum, variable.dtype)
            moved = ops.subtract(ops.multiply(momentum, factor), step)
            change = moved
            if self.nesterov:
                change = ops.subtract(ops.multiply(moved, factor), step)
            self.assign(momentum, ops.where(taken, moved, momentum))
        self.assign_add(
            variable, ops.where(taken, change, ops.zeros_like(change))
        )
