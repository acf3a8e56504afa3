"""Drop path: the layer, and the formula of its rate.

Section 3 and appendix A.7 of the paper; the formula is that of the authors'
code (TF-slim `drop_connect_version="v3"`): the rate grows with time and with
depth. `nasnet_keras.training.drop_path` has the schedules.
"""

from typing import Any

import keras
from keras import ops

from nasnet_keras import checks
from nasnet_keras.layers.walk import all_layers


def drop_path_rate(
    step: float,
    total_steps: float,
    cell_index: int,
    cells: int,
    final_rate: float,
) -> float:
    """The rate at which a path of a cell is dropped.

        min(1, step / total_steps) * (cell_index + 1) / cells * final_rate

    Args:
        step: Number, the training steps done.
        total_steps: Number, the steps over which the rate grows.
        cell_index: Integer from 0; stem and reduction cells count.
        cells: Integer, the number of cells in the network.
        final_rate: Float, one minus TF-slim's `drop_path_keep_prob`.

    Returns:
        Float between 0 and `final_rate`.
    """
    return min(1.0, step / total_steps) * (cell_index + 1) / cells * final_rate


class _CurrentRate(keras.random.SeedGenerator):
    """The rate: state of a layer, but not one of its weights.

    Keras passes the state of seed generators through compiled steps, but
    neither counts nor saves it with the weights. So networks with and without
    drop path have the same weights.
    """

    def __init__(self, rate):
        super().__init__(seed=0)
        self.state = keras.Variable(
            rate,
            dtype="float32",
            trainable=False,
            autocast=False,  # float32 under mixed precision, too.
            name="drop_path_rate",
        )


@keras.saving.register_keras_serializable(package="nasnet_keras")
class DropPath(keras.Layer):
    """Drops whole examples of its input in training, and scales the rest.

    Each example is kept with probability `1 - rate`, by one draw for all of
    its values, and divided by that probability. Outside training the input
    passes unchanged.

    Args:
        rate: Float from 0 to below 1. Without a `ScheduledDropPath` callback
            it applies from the first step.
        seed: Optional integer.

    Call arguments:
        inputs: Tensor whose first dimension is the batch.
        training: Whether to drop.

    Raises:
        ValueError: If `rate` is out of range.
    """

    def __init__(
        self, rate: float, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.rate = checks.rate("rate", rate)
        self.seed = None if seed is None else checks.seed(seed)
        self.seed_generator = keras.random.SeedGenerator(self.seed)
        self.current_rate = _CurrentRate(self.rate)

    def call(self, inputs, training=None):
        if not training:
            return inputs
        keep = 1.0 - ops.convert_to_tensor(self.current_rate.state)
        shape = (ops.shape(inputs)[0],) + (1,) * (len(inputs.shape) - 1)
        noise = keras.random.uniform(
            shape, dtype="float32", seed=self.seed_generator
        )
        kept = ops.cast(noise < keep, "float32") / keep
        return inputs * ops.cast(kept, inputs.dtype)

    def set_progress(self, progress: float) -> None:
        """Sets the current rate to `progress` (0 to 1) times `rate`."""
        self.current_rate.state.assign(progress * self.rate)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        config = super().get_config()
        config.update(rate=self.rate, seed=self.seed)
        return config


def drop_path_layers(model: keras.Layer) -> list[DropPath]:
    """Returns the `DropPath` layers inside a model or layer."""
    return [x for x in all_layers(model) if isinstance(x, DropPath)]


def has_drop_path(model: keras.Layer) -> bool:
    """Whether a model or layer has a `DropPath` inside."""
    return bool(drop_path_layers(model))
