"""Callbacks that set the rate of drop path during training.

`ScheduledDropPath` is the paper's (section 3, appendix A.7).
"""

from collections.abc import Callable, Iterable, Mapping

import keras

from nasnet_keras import checks
from nasnet_keras.layers.drop_path import drop_path_layers
from nasnet_keras.training.inner_optimizers import steps_done


def linear(progress: float) -> float:
    """The paper's schedule: the rate grows linearly with the steps."""
    return progress


def _layers_to_schedule(model):
    layers = drop_path_layers(model)
    if not layers:
        raise ValueError(
            f"The model {model.name!r} has no DropPath layer to schedule. "
            "Build it with `drop_path_rate=...` above 0."
        )
    return layers


class ScheduledDropPath(keras.callbacks.Callback):
    """Raises the rate of every `DropPath` in a model over training.

    Each cell of a network has the final rate for its depth
    (`drop_path_rate=...`); this callback adds the schedule in time. It counts
    the optimizer's steps, so that a second `fit` continues the first; or the
    epochs before `initial_epoch`, if those are more steps: a training may be
    resumed with a new optimizer.

    Args:
        total_steps: Optional integer, the training steps after which the rate
            is final. Defaults to those done when `fit` ends. With gradient
            accumulation several steps make one update.
        schedule: Function from the share of training that is done to the
            share of the final rate, both from 0 to 1. Defaults to `linear`.

    Raises:
        ValueError: If `total_steps` is no positive integer; when training
            begins, if the model has no `DropPath`, or if the number of steps
            is neither given nor known.
    """

    def __init__(
        self,
        total_steps: int | None = None,
        schedule: Callable[[float], float] = linear,
    ) -> None:
        super().__init__()
        if total_steps is not None:
            total_steps = checks.integer("total_steps", total_steps, 1)
        self.total_steps = total_steps
        self.schedule = schedule

    def on_train_begin(self, logs=None):
        self._layers = _layers_to_schedule(self.model)
        self._total = self.total_steps

    def on_epoch_begin(self, epoch, logs=None):
        # Not when training begins: `BackupAndRestore` restores the optimizer
        # then, perhaps after this callback.
        done = steps_done(self.model.optimizer)
        self._step = max(done, epoch * (self.params.get("steps") or 0))
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
            # On JAX an epoch runs on a copy of the variables. This updates
            # them and makes the next step read what is assigned here.
            self.model.jax_state_sync()
        share = self.schedule(min(1.0, self._step / self._total))
        for layer in self._layers:
            layer.set_progress(share)

    def on_train_batch_end(self, batch, logs=None):
        self._step += batch - self._first + 1


class AdaptiveDropPath(keras.callbacks.Callback):
    """Adapts the rate of every `DropPath` to how much the network overfits.

    The share of the final rate starts at 0. After each epoch it grows by
    `step` if the validation loss exceeds the training loss by more than
    `gap`, and falls by `step` otherwise. This is ours, not the paper's;
    `benchmarks/drop_path.py` compares it with the schedule.

    Args:
        gap: Number, the tolerated excess.
        step: Float above 0 and up to 1, the change in one epoch.
        history: Sequence of the logs of earlier epochs (`loss`, `val_loss`)
            of a training that is resumed.

    Raises:
        ValueError: If `gap` is no finite number, or `step` is out of range;
            when training begins, if the model has no `DropPath`; after an
            epoch without validation.
    """

    def __init__(
        self,
        gap: float = 0.1,
        step: float = 0.1,
        history: Iterable[Mapping[str, float]] = (),
    ) -> None:
        super().__init__()
        self.gap = checks.number("gap", gap)
        self.step = checks.number("step", step, above=0, most=1)
        self.share = 0.0
        for logs in history:
            self._update(logs)

    def on_train_begin(self, logs=None):
        self._layers = _layers_to_schedule(self.model)

    def on_epoch_begin(self, epoch, logs=None):
        for layer in self._layers:
            layer.set_progress(self.share)

    def on_epoch_end(self, epoch, logs=None):
        self._update(logs)

    def _update(self, logs):
        if "val_loss" not in logs:
            raise ValueError(
                "AdaptiveDropPath compares with the validation's loss. Give "
                "`fit` validation data."
            )
        overfits = logs["val_loss"] - logs["loss"] > self.gap
        moved = self.share + (self.step if overfits else -self.step)
        self.share = min(1.0, max(0.0, moved))
