"""Activations that are computed again in the backward pass, to save memory."""

from collections.abc import Callable
from typing import Any

import keras


def recomputed(
    layer: keras.Layer, function: Callable[[Any], Any], inputs: Any
) -> Any:
    """Returns what a function of a layer gives; keeps no activations of it.

    They are computed again when the gradient is. `keras.remat` alone would
    then update the averages of batch norms twice, and draw other paths to
    drop: here the second run sees the state that the first one saw, and the
    state changes once. Losses that layers add inside are the layer's.

    Args:
        layer: Built layer, which owns all variables that are used.
        function: Function of `inputs`, which calls layers inside it.
        inputs: Tensor, or a list of tensors.
    """
    trainable = layer.trainable_variables
    state = layer.non_trainable_variables
    # Copies: the variables have other values when the gradient is computed.
    before = [keras.ops.copy(variable.value) for variable in state]
    changed: list[int] = []

    def pure(inputs, weights):
        mapping = [*zip(trainable, weights), *zip(state, before)]
        with keras.StatelessScope(mapping, collect_losses=True) as scope:
            start = [scope.get_current_value(variable) for variable in state]
            outputs = function(inputs)
            after = [scope.get_current_value(variable) for variable in state]
        # Frozen weights, too, are state. In mixed precision their values here
        # are rounded: they must not be written back.
        changed[:] = [i for i, x in enumerate(after) if x is not start[i]]
        return outputs, [after[i] for i in changed], scope.losses

    weights = [keras.ops.convert_to_tensor(x.value) for x in trainable]
    outputs, after, losses = keras.remat(pure)(inputs, weights)
    for number, value in zip(changed, after):
        state[number].assign(value)
    for loss in losses:
        layer.add_loss(loss)
    return outputs
