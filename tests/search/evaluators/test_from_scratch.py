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
from nasnet_keras.search.evaluators.children import child_network
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


def test_stopping_needs_epochs(digits):
    """A child of steps is measured once, after the last one."""
    recipe = ChildRecipe(steps=7, filters=2)
    with pytest.raises(ValueError, match="trained for 7 steps") as error:
        TrainFromScratch(digits, recipe, stopping=MedianStopping())
    assert "`stopping`" in str(error.value) and "`epochs`" in str(error.value)


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


def test_the_likelihood_is_that_of_the_scores(digits):
    found = TrainFromScratch(digits, RECIPE)(GENOTYPE, epochs=1).measurements
    model = train_child(
        GENOTYPE, dataclasses.replace(RECIPE, epochs=1), digits, 0
    )
    images, labels = digits.validation
    scores = model.predict(images, verbose=0)
    own = scores[np.arange(len(labels)), labels]
    expected = np.exp(np.log(own.astype("float64")).mean())
    assert found["val_likelihood"] == pytest.approx(expected, rel=1e-3)
    accuracy = (scores.argmax(axis=1) == labels).mean()
    assert found["val_accuracy"] == pytest.approx(accuracy)


def test_steps_replace_epochs(digits):
    """Seven of them, more than an epoch, which has two; measured once."""
    rates = []

    class Rates(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            rate = self.model.optimizer.learning_rate
            rates.append(float(keras.ops.convert_to_numpy(rate)))

    recipe = ChildRecipe(steps=7, filters=2)
    train_child(GENOTYPE, recipe, digits, 0, [Rates()])
    steps = np.arange(1, 8)
    expected = 0.05 * (1 + np.cos(np.pi * steps / 7))
    np.testing.assert_allclose(rates, expected, atol=1e-6)
    found = TrainFromScratch(digits, recipe)(GENOTYPE)
    assert len(found.curve) == 1
    with pytest.raises(ValueError, match="`steps` must be a multiple of"):
        ChildRecipe(steps=7, accumulation_steps=2)
    space = SPACE.with_settings(epochs=(1, 2))
    with pytest.raises(ValueError, match="'epochs', but children are trained"):
        TrainFromScratch(digits, recipe).check(space)


def test_children_of_equal_parameters(digits):
    evaluator = TrainFromScratch(
        digits, ChildRecipe(epochs=1, parameters=20_000)
    )
    cells = [GENOTYPE, SPACE.to_genotype((1, 0, 1, 1, 0, 1, 0, 1, 1, 0))]
    found = [evaluator(genotype).measurements for genotype in cells]
    assert found[0]["filters"] != found[1]["filters"]
    for measurements in found:
        assert measurements["parameters"] == pytest.approx(20_000, rel=0.1)
    with pytest.raises(ValueError, match="decides on filters") as error:
        evaluator.check(SPACE.with_settings(filters=(2, 4)))
    assert "'filters' in place of 'parameters'" in str(error.value)
    # By default about those of NASNet-A's with 8 filters.
    assert TrainFromScratch(digits).network.parameters == 75_000
    with pytest.raises(ValueError, match="Exactly one of `filters`"):
        ChildRecipe(filters=8, parameters=1000)


def test_a_searched_size_of_a_budget(digits):
    """`parameters` may be searched as well; filters follow from each."""
    evaluator = TrainFromScratch(
        digits, ChildRecipe(epochs=1, parameters=20_000)
    )
    evaluator.check(SPACE.with_settings(parameters=(10_000, 20_000)))
    found = evaluator(GENOTYPE, parameters=10_000).measurements
    assert found["parameters"] == pytest.approx(10_000, rel=0.15)


def test_each_searched_size_must_be_possible(digits):
    evaluator = TrainFromScratch(
        digits, ChildRecipe(epochs=1, parameters=20_000)
    )
    with pytest.raises(ValueError, match="Received: parameters=100"):
        evaluator.check(SPACE.with_settings(parameters=(100, 20_000)))


def test_searched_cells_per_stack_are_of_equal_parameters(digits):
    """In this process as in workers: what is counted is what is trained."""
    evaluator = TrainFromScratch(digits, ChildRecipe(steps=1, batch_size=8))
    evaluator.check(SPACE.with_settings(cells_per_stack=(1, 2)))
    found = evaluator._recipe_with({"cells_per_stack": 2})
    network = child_network(found, digits)
    assert (network.cells_per_stack, network.parameters) == (2, 75_000)
    counted = evaluator.network.with_settings({"cells_per_stack": 2})
    assert network == counted


@pytest.mark.parametrize(
    "settings, validation, train",
    [
        ({"reward_images": None}, 32, 128),
        ({"reward_images": 20}, 20, 128),
        # Three epochs reach all training images.
        ({"reward_images": 2000}, 32, 128),
    ],
)
def test_images_of_the_reward(digits, settings, validation, train):
    parts = TrainFromScratch(digits, RECIPE, **settings)._parts
    assert len(parts.validation[1]) == validation
    assert len(parts.train[1]) == train


def test_training_images_that_no_step_reaches_are_rewarded_on(digits):
    """One step of 32 images: 96 of the 128 may be taken, not those images."""
    recipe = ChildRecipe(steps=1, batch_size=32, filters=2)
    for wanted, validation in ((60, 60), (2000, 128)):
        evaluator = TrainFromScratch(
            digits, recipe, reward_images=wanted, seed=wanted
        )
        parts = evaluator._parts
        assert len(parts.validation[1]) == validation
        assert len(parts.train[1]) == 160 - validation
        rows = [
            image.tobytes()
            for part in (parts.train, parts.validation)
            for image in part[0]
        ]
        before = [
            image.tobytes()
            for part in (digits.train, digits.validation)
            for image in part[0]
        ]
        assert sorted(rows) == sorted(before)
        assert set(parts.validation[1]) == set(range(10))
    with pytest.raises(ValueError, match="`reward_images` must be"):
        TrainFromScratch(digits, recipe, reward_images=0)


def test_the_stages_of_a_funnel(digits):
    evaluator = TrainFromScratch(digits, RECIPE, seed=5, funnel="2x9,4x3,8x2")
    assert evaluator.trials == 9
    assert evaluator.recipe.steps == 2
    stages = evaluator.later_stages(9)
    assert [stage.children for stage in stages] == [3, 2]
    assert [stage.evaluator.recipe.steps for stage in stages] == [4, 8]
    seeds = [5, *(stage.evaluator.seed for stage in stages)]
    assert len(set(seeds)) == 3
    assert stages[0].name == f"4 steps, seed {seeds[1]}"
    # Without a funnel: a sixth again, three times as long.
    (stage,) = TrainFromScratch(digits, RECIPE).later_stages(24)
    assert (stage.children, stage.evaluator.recipe.epochs) == (4, 9)
