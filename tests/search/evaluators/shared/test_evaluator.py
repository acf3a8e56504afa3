"""Shared weights: rounds of training, resuming, memory."""

import json

import numpy as np
import pytest

from nasnet_keras import NASNET_A
from nasnet_keras.search import (
    ChildRecipe,
    NASNetSpace,
    Rounds,
    SharedWeights,
    WiredSpace,
    find_space,
)
from nasnet_keras.search import search as run_search
from nasnet_keras.search.evaluators.shared import evaluator as shared
from nasnet_keras.training.data import load_dataset

SPACE = WiredSpace(NASNET_A, ("avg_pool_3x3", "conv_3x3"), blocks=1)
GENOTYPES = [
    SPACE.to_genotype(SPACE.sample(np.random.default_rng(i))) for i in range(9)
]


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits", image_size=8, validation_split=0.2)


def make(digits, **kwargs):
    return SharedWeights(
        SPACE,
        digits,
        ChildRecipe(filters=4, batch_size=32, learning_rate=0.05),
        Rounds(**{**ROUNDS, **kwargs}),
    )


ROUNDS = {
    "warm_up_steps": 150,
    "children": 3,
    "steps": 5,
    "reward_images": 200,
    "reward_batch": 100,
}


@pytest.fixture(scope="module")
def whole(digits, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    evaluator = make(digits)
    evaluator.resume(folder, [])
    return evaluator, [evaluator(genotype) for genotype in GENOTYPES], folder


def records(number):
    return [
        {
            "values": SPACE.to_values(SPACE.sample(np.random.default_rng(i))),
            "score": 0.5,
        }
        for i in range(number)
    ]


def test_children_are_better_than_chance(whole):
    evaluator, found, _ = whole
    assert np.mean([e.reward for e in found]) > 0.3  # Of ten classes.
    assert evaluator._steps == 150 + 2 * 5
    for evaluation in found:
        assert evaluation.measurements["parameters"] > 100
        assert evaluation.curve == []


def test_the_same_weights_evaluate_alike(whole):
    """Only training changes them: within a round, rewards repeat."""
    evaluator = whole[0]
    images, _ = evaluator._reward_batches[0]
    first, second = (
        evaluator.supernet.predict(GENOTYPES[0], images) for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    "done, snapshot, another",
    [(4, True, True), (4, False, False), (6, True, False), (6, False, False)],
)
def test_resumed_equals_uninterrupted(
    whole, digits, tmp_path, done, snapshot, another
):
    """With a new evaluator, or with one that served other searches."""
    evaluator = whole[0]
    evaluator.resume(tmp_path, [])
    for genotype in GENOTYPES[:done]:
        evaluator(genotype)
    if not snapshot:
        (tmp_path / "shared_weights.npz").unlink()
    if another:
        evaluator = make(digits)
    evaluator.resume(tmp_path, records(done))
    found = [evaluator(genotype).reward for genotype in GENOTYPES[done:]]
    assert found == [e.reward for e in whole[1][done:]]


def test_rounds_out_of_range():
    with pytest.raises(ValueError, match="children=0"):
        Rounds(children=0)


def test_its_draws_are_those_of_no_oracle_and_no_feed(digits):
    """NumPy's `default_rng([s, 2])` and `default_rng([s, 2, 0])` are one."""
    evaluator = make(digits)
    own = {
        evaluator._stream(purpose, number).integers(2**63)
        for purpose in (shared.GENOTYPES, shared.CHOICES)
        for number in range(20)
    }
    others = {
        np.random.default_rng([0, *words]).integers(2**63)
        for n in range(6)
        for words in ([n], *([n, i] for i in range(20)))
    }
    assert len(own) == 40 and not own & others


def test_weights_of_children_that_were_not_taken_stay(digits):
    """Of each place one operation is trained; the others do not move."""
    evaluator = make(digits)
    supernet, feed = evaluator.supernet, evaluator._feed
    first = SPACE.to_genotype((0,) * len(SPACE.sizes))  # Pools only.
    second = SPACE.to_genotype((1,) * len(SPACE.sizes))
    for step in range(3):
        supernet.train(second, *feed.batch(step))
    before = {w.path: np.array(w) for w in supernet.model.trainable_weights}
    for step in range(3, 6):
        supernet.train(first, *feed.batch(step))
    moved = {
        w.path
        for w in supernet.model.trainable_weights
        if not np.array_equal(before[w.path], np.array(w))
    }
    operations = {
        path
        for path, value in before.items()
        if "chain" in path and value.shape[:2] == (3, 3)
    }
    assert operations and not operations & moved
    assert "predictions/kernel" in moved


@pytest.mark.long
def test_all_are_judged_with_the_final_weights(digits, tmp_path):
    """Then some from scratch; the last stage decides."""
    evaluator = make(digits)
    results = run_search(None, tmp_path / "run", 7, SPACE, "random", evaluator)
    lines = (tmp_path / "run" / "finals.jsonl").read_text().splitlines()
    finals = [json.loads(line) for line in lines]
    again = [record for record in finals if record["stage"] == 1]
    assert len(again) == len(results.by_reward())
    (steps,) = {record["metrics"]["weights_steps"] for record in again}
    assert steps == evaluator._steps == 150 + 2 * 5
    ages = [r["metrics"]["weights_steps"] for r in results.records]
    assert ages == [150] * 3 + [155] * 3 + [160]
    from_scratch = [record for record in finals if record["stage"] == 2]
    assert len(from_scratch) == 2
    assert all(record["metrics"]["epochs"] == 3 for record in from_scratch)
    sizes = [record["metrics"]["parameters"] for record in from_scratch]
    expected = evaluator.network.count(NASNET_A).parameters
    assert sizes == pytest.approx([expected] * 2, rel=0.25)
    best = max(from_scratch, key=lambda record: record["score"])
    assert results.best()[0]["trial"] == best["trial"]


def test_free_wiring_is_refused_with_what_to_use(digits):
    for space in (NASNetSpace(1), find_space("darts")):
        with pytest.raises(ValueError, match="`space` must have a fixed") as e:
            SharedWeights(space, digits)
        assert "nasnet_a_wired" in str(e.value)
        assert "TrainFromScratch" in str(e.value)
    for name in ("nasnet_a_wired", "nasbench201"):
        SharedWeights(find_space(name), digits)


@pytest.mark.parametrize(
    "name, value",
    [
        ("drop_path_rate", 0.3),
        ("dropout_rate", 0.5),
        ("whiten", True),
        ("depth_decay", 0.9),
        ("weight_decay", 1e-4),
        ("optimizer", "rmsprop"),
        ("parameters", 75_000),
        ("macs", 10**6),
    ],
)
def test_what_it_has_no_use_for_is_refused(digits, name, value):
    size = {} if name in ("parameters", "macs") else {"filters": 4}
    recipe = ChildRecipe(**{**size, name: value})
    with pytest.raises(ValueError, match=f"`{name}` must be") as error:
        SharedWeights(SPACE, digits, recipe)
    assert f"{name}={value!r}" in str(error.value)


@pytest.mark.parametrize("filters", [8, 16])
def test_the_last_stage_is_as_large_as_the_shared_filters(digits, filters):
    """NASNet-A with them: equal parameters, but not of another size."""
    evaluator = SharedWeights(SPACE, digits, ChildRecipe(filters=filters))
    recipe = evaluator.later_stages(25)[-1].evaluator.recipe
    counted = evaluator.network.count(NASNET_A).parameters
    assert recipe.parameters == pytest.approx(counted, rel=0.05)
    assert recipe.filters is None
    assert recipe.learning_rate == ChildRecipe.learning_rate
