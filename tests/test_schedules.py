"""A learning-rate schedule is saved and loaded."""

import keras

from nasnet_keras.schedules import WarmUp


def test_warm_up_is_saved_with_its_schedule():
    schedule = WarmUp(keras.optimizers.schedules.CosineDecay(0.1, 20), 5)
    config = keras.saving.serialize_keras_object(schedule)
    again = keras.saving.deserialize_keras_object(config)
    assert [float(again(s)) for s in (1, 9)] == [
        float(schedule(s)) for s in (1, 9)
    ]
