"""Arguments that are no numbers, or out of range; NumPy's numbers pass."""

import dataclasses
import functools
import json

import numpy as np
import pytest
from keras_tuner.src.engine.objective import MultiObjective

from nasnet_keras import NASNET_A
from nasnet_keras.search import (
    CellTuner,
    ChildRecipe,
    Controller,
    Evaluator,
    EvolutionOracle,
    Isolated,
    Limits,
    MedianStopping,
    NASNetSpace,
    Network,
    PPOOracle,
    PredictorOracle,
    RandomOracle,
    ReinforceOracle,
    Reward,
    Rounds,
    SearchResults,
    SearchSpace,
    SharedWeights,
    Tabular,
    TrainFromScratch,
    WiredSpace,
    find_space,
    search,
)
from nasnet_keras.search.policy.settings import SETTINGS
from nasnet_keras.search.retraining import retrain
from nasnet_keras.training.data.dataset import Dataset
from nasnet_keras.training.recipes import Recipe

SPACE = NASNetSpace(blocks=1)
NETWORK = Network(1, 4, 8, 2)
WIRED = WiredSpace(NASNET_A, ("identity",))


def images(number):
    return np.zeros((number, 8, 8, 3), "uint8"), np.arange(number) % 2


DATA = Dataset("zeros", ("a", "b"), images(20), images(4), images(4))
WITHOUT_VALIDATION = dataclasses.replace(DATA, validation=images(0))
RECIPE = ChildRecipe(filters=2, batch_size=10)


class Fixed(Evaluator):
    def measure(self, genotype):
        return {"val_accuracy": 0.5}, []


def named(name, make):
    make.__name__ = name
    return make


RANDOM, EVOLUTION, PREDICTOR, PPO, REINFORCE = (
    named(kind.__name__, functools.partial(kind, SPACE))
    for kind in (
        *(RandomOracle, EvolutionOracle, PredictorOracle),
        *(PPOOracle, ReinforceOracle),
    )
)


def evolution(**arguments):
    return EvolutionOracle(SPACE, **{"sample_size": 1, **arguments})


def isolated(**arguments):
    return Isolated(Fixed(), **arguments)


def network(**arguments):
    return dataclasses.replace(NETWORK, **arguments)


def limits(**arguments):
    return Limits(NETWORK, **arguments)


def reward(target=1.0, **arguments):
    return Reward("macs", target, **arguments)


def settings(**arguments):
    return dataclasses.replace(SETTINGS["small"], **arguments)


def controller(**arguments):
    return Controller(**{"sizes": (2, 2), "settings": settings(), **arguments})


def wired(**arguments):
    return WiredSpace(NASNET_A, ("identity",), **arguments)


def from_scratch(**arguments):
    return TrainFromScratch(DATA, RECIPE, **arguments)


def shared_weights(**arguments):
    return SharedWeights(WIRED, DATA, RECIPE, **arguments)


def named_space(**arguments):
    return find_space("nasnet", **arguments)


# An integer from a minimum on: the class, the argument, the minimum.
INTEGERS = [
    *((oracle, "max_trials", 1) for oracle in (RANDOM, PPO)),
    (RANDOM, "max_retries_per_trial", 0),
    (RANDOM, "max_consecutive_failed_trials", 1),
    (evolution, "population_size", 2),
    (evolution, "sample_size", 1),
    (PREDICTOR, "first", 1),
    (PREDICTOR, "trees", 1),
    (PREDICTOR, "parents", 1),
    (PREDICTOR, "mutations", 1),
    (PREDICTOR, "samples", 1),
    (PPO, "batch_size", 2),
    (PPO, "units", 1),
    (REINFORCE, "units", 1),
    (settings, "batch_size", 2),
    (settings, "epochs", 1),
    (controller, "units", 1),
    (NASNetSpace, "blocks", 1),
    (NASNetSpace, "inputs", 1),
    (named_space, "blocks", 1),
    (wired, "blocks", 1),
    (network, "cells_per_stack", 1),
    (network, "filters", 1),
    (network, "side", 1),
    (network, "classes", 1),
    (limits, "max_parameters", 1),
    (limits, "max_macs", 1),
    (MedianStopping, "least_children", 1),
    (MedianStopping, "least_epochs", 1),
    (Rounds, "warm_up_steps", 0),
    *((Rounds, name, 1) for name in ("children", "steps")),
    *((Rounds, name, 1) for name in ("reward_images", "reward_batch")),
    (ChildRecipe, "cells_per_stack", 1),
    (ChildRecipe, "filters", 1),
    (isolated, "children_per_process", 1),
    (isolated, "workers", 1),
    *((make, "seed", 0) for make in (RANDOM, PPO, EVOLUTION, controller)),
    *((make, "seed", 0) for make in (from_scratch, shared_weights)),
]
# A number: the class, the argument, values out of range, one in range.
NUMBERS = [
    (PREDICTOR, "exploration", (-0.1,), 0),
    (settings, "learning_rate", (0, -1), 0.1),
    (settings, "clip", (0, -1), 0.1),
    (settings, "entropy_weight", (-1,), 0),
    (settings, "baseline_decay", (-0.1, 1.1), 0.5),
    (reward, "target", (0, -1), 1e6),
    *((isolated, name, (0, -1), 0.5) for name in ("memory", "timeout")),
    (reward, "exponent", (0.1,), -0.5),
]
NO_NUMBERS = (True, np.True_, np.nan, np.inf, -np.inf, "1", [1], 1j)


def refuses(make, name, value):
    with pytest.raises(
        ValueError, match=f"`{name}` must be .*Received: {name}"
    ):
        make(**{name: value})


def each(rows):
    return pytest.mark.parametrize(
        "row", rows, ids=lambda row: f"{row[0].__name__}-{row[1]}"
    )


@each(INTEGERS)
def test_integers(row):
    make, name, least = row
    for wrong in (*NO_NUMBERS, 1.5, np.float32(2), least - 1, -1):
        refuses(make, name, wrong)
    for number in (np.int64(least), np.uint8(least)):
        json.dumps(plain(make(**{name: number})))


@each(NUMBERS)
def test_numbers(row):
    make, name, wrong, right = row
    for value in (*NO_NUMBERS, *wrong):
        refuses(make, name, value)
    for number in (np.float32(right), np.float64(right), np.int64(right)):
        if number == right or number.dtype.kind == "f":
            json.dumps(plain(make(**{name: number})))


def plain(made):
    """What is written of an object."""
    if dataclasses.is_dataclass(made):
        return dataclasses.asdict(made)
    if isinstance(made, SearchSpace):
        return made.to_dict()
    if isinstance(made, Controller):
        return made.sizes
    return made.describe()


@pytest.mark.parametrize("seed", [2**32, 2**64, 2**80])
def test_seeds_beyond_32_bits(seed):
    for make in (RANDOM, from_scratch, shared_weights, controller):
        refuses(make, "seed", seed)


def test_the_largest_seed_is_one():
    oracle = PPO(seed=2**32 - 1)
    actions, _ = next(oracle.candidates(0))
    assert len(actions) == len(SPACE.decisions)


@pytest.mark.parametrize(
    "make, name, value",
    [
        (PPO, "loss", "x"),
        (PPO, "settings", "huge"),
        (PPO, "settings", ["small"]),
        (PPO, "seed", "a"),
        (RANDOM, "context", [1]),
        (RANDOM, "context", {"a": object()}),
        (RANDOM, "limits", 3),
        (RANDOM, "objective", 3),
        (RANDOM, "objective", ["val_accuracy", "val_loss"]),
        (RANDOM, "objective", MultiObjective([])),
        (RANDOM, "enqueue", 3),
        (RANDOM, "enqueue", "ab"),
        (settings, "normalize", "yes"),
        (settings, "repeats", None),
        (reward, "hard", 2),
        (Reward, "cost", "money"),
        (NASNetSpace, "blocks", 100_000),
        (named_space, "blocks", 100_000),
        (network, "cells_per_stack", 100_000),
    ],
)
def test_other_arguments(make, name, value):
    refuses(make, name, value)


def test_searches_and_retrainings(tmp_path):
    """In the names of their own arguments, and nothing is written."""
    for name in ("trials", "seed"):
        for wrong in (True, "1", -1, 1.5, np.nan):
            with pytest.raises(ValueError, match=f"`{name}` must be"):
                search(DATA, tmp_path / "run", **{name: wrong})
    found = SearchResults(tmp_path, SPACE, [], {})
    recipe = Recipe(epochs=1, batch_size=10, learning_rate=0.1)
    for name in ("top", "seed", "cells_per_stack", "filters"):
        for wrong in (True, "1", -1, 1.5, np.nan):
            with pytest.raises(ValueError, match=f"`{name}` must be"):
                retrain(found, DATA, recipe, **{name: wrong})
    for name, wrong in (("oracle", 3), ("evaluator", 3)):
        arguments = {"oracle": RANDOM(), "evaluator": Fixed(), name: wrong}
        with pytest.raises(ValueError, match=f"`{name}` must be a"):
            CellTuner(**arguments)
    with pytest.raises(ValueError, match="`table` must be a dictionary"):
        Tabular([1], SPACE)
    with pytest.raises(ValueError, match="`number` must be"):
        found.best(0)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("make", [from_scratch, shared_weights])
def test_data_that_no_child_can_learn_from(make, monkeypatch):
    recipe = dataclasses.replace(RECIPE, batch_size=21)
    monkeypatch.setitem(globals(), "RECIPE", recipe)
    with pytest.raises(ValueError, match=r"`batch_size` must.*at most 20"):
        make()
    monkeypatch.setitem(globals(), "DATA", WITHOUT_VALIDATION)
    with pytest.raises(ValueError, match="must have validation images"):
        make()


def test_networks_and_settings_that_cannot_be(monkeypatch):
    """Refused before a trial: each would fail."""
    recipe = dataclasses.replace(RECIPE, filters=1)
    evaluator = TrainFromScratch(DATA, recipe)
    with pytest.raises(ValueError, match=r"`filters` must be.*at least 2"):
        CellTuner(RANDOM(), evaluator)
    for name, wrong in (("filters", (1, 2)), ("batch_size", (10, 21))):
        oracle = RandomOracle(SPACE.with_settings(**{name: wrong}))
        with pytest.raises(ValueError, match=f"`{name}` must be"):
            CellTuner(oracle, from_scratch())
    without_cells = RandomOracle(SearchSpace([("a", (1, 2))]))
    with pytest.raises(ValueError, match="implement make_cells"):
        CellTuner(without_cells, from_scratch())
    space = NASNetSpace(blocks=2, inputs=3)
    with pytest.raises(ValueError, match="Received: 3 input states"):
        SharedWeights(space, DATA, RECIPE)


def test_numpys_options_of_a_space():
    space = SPACE.with_settings(
        epochs=np.arange(1, 3),
        learning_rate=np.float32([0.5, 1]),
        nesterov=(np.True_, False),
    )
    options = json.loads(json.dumps(space.to_dict()))
    assert options["epochs"] == [1, 2]
    assert options["learning_rate"] == [0.5, 1.0]
    assert options["nesterov"] == [True, False]
    assert space.to_actions(space.to_values(np.zeros(13, int))) == (0,) * 13
    for wrong in (3, (1, 1), (np.nan, 1), (None, 1), ([1], [2])):
        with pytest.raises(ValueError, match="The options of 'epochs' must"):
            SPACE.with_settings(epochs=wrong)
