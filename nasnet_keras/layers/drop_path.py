"""ScheduledDropPath: the layer that drops, the schedule, the callback.

Section 3 and appendix A.7 of the paper; the formula is that of the authors'
code (TF-slim `drop_connect_version="v3"`): the rate grows with time and with
depth.
"""

import keras
from keras import ops

from nasnet_keras.layers.checks import check_rate


def drop_path_rate(step, total_steps, cell_index, cells, final_rate):
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


def linear(progress):
    """The paper's schedule: the share of the rate at a share of training."""
    return progress


class _CurrentRate(keras.random.SeedGenerator):
    """The rate as state of the layer, but not as a weight.

    Every backend threads a layer's seed generators through its compiled
    steps and none counts, saves or loads them among the weights. A rate wants
    just that: networks with and without drop path have the same weights.
    """

    def __init__(self, rate):
        super().__init__(seed=0)
        self.state = keras.Variable(
            rate,
            dtype="float32",
            trainable=False,
            autocast=False,  # Also under mixed precision.
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
            it holds from the first step.
        seed: Optional integer.

    Call arguments:
        inputs: Tensor whose first dimension is the batch.
        training: Whether to drop.

    Raises:
        ValueError: If `rate` is out of range.
    """

    def __init__(self, rate, seed=None, **kwargs):
        super().__init__(**kwargs)
        check_rate("rate", rate)
        self.rate = rate
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.current_rate = _CurrentRate(rate)

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

    def set_progress(self, progress):
        """Sets the current rate to `progress` (0 to 1) times `rate`."""
        self.current_rate.state.assign(progress * self.rate)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        config = super().get_config()
        config.update(rate=self.rate, seed=self.seed)
        return config


def has_drop_path(model):
    """Returns whether a model has layers that drop paths."""
    return any(isinstance(x, DropPath) for x in model._flatten_layers())


def _drop_path_layers(model):
    layers = [x for x in model._flatten_layers() if isinstance(x, DropPath)]
    if not layers:
        raise ValueError(
            f"The model {model.name!r} has no DropPath layer to schedule. "
            "Build it with `drop_path_rate=...` above 0."
        )
    return layers


class ScheduledDropPath(keras.callbacks.Callback):
    """Raises the rate of every `DropPath` in a model over training.

    The networks of this package already hold, in each cell, the rate that its
    depth calls for (`drop_path_rate=...`); this adds the schedule in time.
    Steps are counted from the optimizer's own, so a second `fit` goes on
    where the first ended.

    Args:
        total_steps: Optional integer, the training steps after which the rate
            is full. Defaults to those done when `fit` ends.
        schedule: Function from the share of training that is done to the
            share of the rate, both from 0 to 1. Defaults to `linear`.

    Raises:
        ValueError: When training begins, if the model has no `DropPath`, or
            if the number of steps is neither given nor known.
    """

    def __init__(self, total_steps=None, schedule=linear):
        super().__init__()
        if total_steps is not None and total_steps <= 0:
            raise ValueError(
                "`total_steps` must be positive. "
                f"Received: total_steps={total_steps}"
            )
        self.total_steps = total_steps
        self.schedule = schedule

    def on_train_begin(self, logs=None):
        self._layers = _drop_path_layers(self.model)
        # Not `iterations`, which counts updates: gradient accumulation makes
        # one of several steps.
        self._step = int(self.model.optimizer._iterations)
        self._total = self.total_steps

    def on_epoch_begin(self, epoch, logs=None):
        if self._total is None:
            self._total = self._step + self._steps_left(epoch)

    def _steps_left(self, epoch):
        steps, epochs = self.params.get("steps"), self.params.get("epochs")
        if not steps or not epochs:
            raise ValueError(
                "The number of training steps is not known from the data. "
                "Give ScheduledDropPath(total_steps=...)."
            )
        return steps * (epochs - epoch)

    def on_train_batch_begin(self, batch, logs=None):
        self._first = batch
        if keras.backend.backend() == "jax":
            # A running epoch works on a copy of the variables: bring them up
            # to date, which also makes the next step read what we write.
            self.model.jax_state_sync()
        share = self.schedule(min(1.0, self._step / self._total))
        for layer in self._layers:
            layer.set_progress(share)

    def on_train_batch_end(self, batch, logs=None):
        self._step += batch - self._first + 1


class AdaptiveDropPath(keras.callbacks.Callback):
    """Moves the rate of every `DropPath` by how much the network overfits.

    After each epoch the share of the rate grows by `step` where the loss of
    the validation exceeds that of training by more than `gap`, and falls by as
    much where it does not. This is ours, not the paper's;
    `benchmarks/drop_path.py` compares it with the schedule.

    Args:
        gap: Float, the excess that is tolerated.
        step: Float above 0 and up to 1, of the share in an epoch. It begins
            at 0.
        history: Sequence of the logs of earlier epochs (`loss`, `val_loss`),
            of a training that is resumed.

    Raises:
        ValueError: If `step` is out of range; when training begins, if the
            model has no `DropPath`; after an epoch without validation.
    """

    def __init__(self, gap=0.1, step=0.1, history=()):
        super().__init__()
        if not 0 < step <= 1:
            raise ValueError(
                f"`step` must be above 0 and up to 1. Received: step={step!r}"
            )
        self.gap = gap
        self.step = step
        self.share = 0.0
        for logs in history:
            self._move(logs)

    def on_train_begin(self, logs=None):
        self._layers = _drop_path_layers(self.model)

    def on_epoch_begin(self, epoch, logs=None):
        for layer in self._layers:
            layer.set_progress(self.share)

    def on_epoch_end(self, epoch, logs=None):
        self._move(logs)

    def _move(self, logs):
        if "val_loss" not in logs:
            raise ValueError(
                "AdaptiveDropPath compares with the validation's loss. Give "
                "`fit` validation data."
            )
        overfits = logs["val_loss"] - logs["loss"] > self.gap
        moved = self.share + (self.step if overfits else -self.step)
        self.share = min(1.0, max(0.0, moved))
