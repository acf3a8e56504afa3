"""Children trained from scratch: what they are given, when they stop."""

import dataclasses

import keras
import numpy as np
import pytest

from nasnet_keras.layers.drop_path import DropPath
from nasnet_keras.search import (
    ChildRecipe,
    MedianStopping,
    NASNetSpace,
    Reward,
    TrainFromScratch,
)
from nasnet_keras.search.evaluators.from_scratch import train_child
from nasnet_keras.training.data import load_dataset

SPACE = NASNetSpace(blocks=1, operations=("identity", "conv_1x1"))
GENOTYPE = SPACE.to_genotype((0, 1, 1, 0, 0, 0, 0, 1, 1, 0))
RECIPE = ChildRecipe(epochs=3, filters=2)


@pytest.fixture(scope="module")
def digits():
    return load_dataset(
        "digits", image_size=8, validation_split=0.2, images=160
    )


def test_a_hopeless_child_is_stopped(digits):
    """Beside others that were perfect from the first epoch."""
    evaluator = TrainFromScratch(
        digits, RECIPE, stopping=MedianStopping(least_children=1)
    )
    evaluator.resume(None, [{"curve": [1.0, 1.0, 1.0]}])
    stopped = evaluator(GENOTYPE)
    assert stopped.measurements["epochs"] == len(stopped.curve) == 1
    evaluator.resume(None, [{"curve": [0.0, 0.0, 0.0]}])
    whole = evaluator(GENOTYPE)
    assert whole.measurements["epochs"] == len(whole.curve) == 3
    assert whole.reward == whole.curve[-1]
    assert whole.curve[0] == stopped.curve[0]


def test_a_short_child_is_judged_by_what_it_learnt(digits):
    """After two steps its statistics are those of the training images.

    With a momentum of 0.9 they would be the initial 0, to four fifths.
    """
    recipe = dataclasses.replace(RECIPE, epochs=1)
    model = train_child(GENOTYPE, recipe, digits, 0)
    stem = keras.Model(model.input, model.get_layer("stem_conv").output)
    expected = np.mean(stem.predict(digits.train[0]), axis=(0, 1, 2))
    found = np.array(model.get_layer("stem_bn").moving_mean)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
    assert abs(expected).max() > 0.1


def test_latency_is_measured(digits):
    reward = Reward("latency_ms", target=1.0)
    evaluator = TrainFromScratch(digits, RECIPE, reward=reward)
    found = evaluator(GENOTYPE, epochs=1)
    latency = found.measurements["latency_ms"]
    assert latency > 0
    assert found.reward == pytest.approx(found.curve[-1] * latency**-0.07)


@pytest.mark.parametrize(
    "schedule, expected", [("linear", [0, 1 / 3, 2 / 3]), ("constant", [1] * 3)]
)
def test_the_schedule_of_drop_path(digits, schedule, expected):
    """An epoch is one step here."""
    seen = []

    class Rates(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            layers = self.model._flatten_layers()
            last = [x for x in layers if isinstance(x, DropPath)][-1]
            rate = keras.ops.convert_to_numpy(last.current_rate.state)
            seen.append(float(rate) / last.rate)

    recipe = ChildRecipe(
        epochs=3,
        filters=2,
        batch_size=len(digits.train[1]),
        drop_path_rate=0.3,
        drop_path_schedule=schedule,
    )
    train_child(GENOTYPE, recipe, digits, 0, [Rates()])
    assert seen == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    "field, value",
    [
        ("ema", 0.9),
        ("auxiliary_weight", 0.4),
        ("growing_sizes", ((1, 6),)),
        ("drop_path_schedule", "adaptive"),
        ("filters", 0),
        ("whiten", "no"),
    ],
)
def test_what_a_child_has_no_use_for(field, value):
    with pytest.raises(ValueError, match=f"`{field}` must be"):
        ChildRecipe(**{field: value})
