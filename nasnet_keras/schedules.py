"""Learning-rate schedules that saved models may contain."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="nasnet_keras")
class OfUpdates(keras.optimizers.schedules.LearningRateSchedule):
    """Another schedule, of updates, where gradients accumulate over steps.

    Keras gives a schedule the number of steps. With
    `gradient_accumulation_steps=4` it would end after a quarter of the
    training.

    Args:
        schedule: `LearningRateSchedule` of the updates done.
        steps_per_update: Integer, `gradient_accumulation_steps`.

    Call arguments:
        step: Integer tensor, training steps done.
    """

    def __init__(
        self,
        schedule: keras.optimizers.schedules.LearningRateSchedule,
        steps_per_update: int,
    ) -> None:
        super().__init__()
        self.schedule = schedule
        self.steps_per_update = steps_per_update

    def __call__(self, step):
        return self.schedule(ops.floor_divide(step, self.steps_per_update))

    def get_config(self) -> dict[str, Any]:
        schedule = keras.saving.serialize_keras_object(self.schedule)
        return {
            "schedule": schedule,
            "steps_per_update": self.steps_per_update,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "OfUpdates":
        schedule = keras.saving.deserialize_keras_object(config["schedule"])
        return cls(schedule, config["steps_per_update"])


@keras.saving.register_keras_serializable(package="nasnet_keras")
class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """Another schedule, preceded by a linear rise from 0 to its first value.

    Goyal et al. 2017 (arXiv 1706.02677), for large batches. The schedule
    counts its steps from the end of the rise.

    Args:
        schedule: `LearningRateSchedule`.
        steps: Integer, the steps of the rise.

    Call arguments:
        step: Integer tensor, updates done.
    """

    def __init__(
        self,
        schedule: keras.optimizers.schedules.LearningRateSchedule,
        steps: int,
    ) -> None:
        super().__init__()
        self.schedule = schedule
        self.steps = steps

    def __call__(self, step):
        step = ops.cast(step, "float32")
        factor = ops.minimum(step / self.steps, 1.0)
        return factor * self.schedule(ops.maximum(step - self.steps, 0.0))

    def get_config(self) -> dict[str, Any]:
        schedule = keras.saving.serialize_keras_object(self.schedule)
        return {"schedule": schedule, "steps": self.steps}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "WarmUp":
        schedule = keras.saving.deserialize_keras_object(config["schedule"])
        return cls(schedule, config["steps"])
