"""Learning-rate schedules are saved and loaded."""

import keras
import pytest

from nasnet_keras.schedules import OfUpdates, WarmUp


def test_a_schedule_of_updates_is_saved():
    """Four steps make an update; the cosine ends after 20 updates."""
    cosine = keras.optimizers.schedules.CosineDecay(0.1, 20)
    config = keras.saving.serialize_keras_object(OfUpdates(cosine, 4))
    again = keras.saving.deserialize_keras_object(config)
    rates = [float(again(step)) for step in (0, 3, 40, 43, 80)]
    assert rates == pytest.approx([0.1, 0.1, 0.05, 0.05, 0], abs=1e-8)


def test_warm_up_is_saved_with_its_schedule():
    schedule = WarmUp(keras.optimizers.schedules.CosineDecay(0.1, 20), 5)
    config = keras.saving.serialize_keras_object(schedule)
    again = keras.saving.deserialize_keras_object(config)
    assert [float(again(s)) for s in (1, 9)] == [
        float(schedule(s)) for s in (1, 9)
    ]
