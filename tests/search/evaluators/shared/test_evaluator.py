"""Shared weights: rounds of training, resuming, memory."""

import numpy as np
import pytest

from nasnet_keras.search import (
    ChildRecipe,
    NASNetSpace,
    Rounds,
    SharedWeights,
)
from nasnet_keras.search.evaluators.shared import evaluator as shared
from nasnet_keras.training.data import load_dataset

SPACE = NASNetSpace(
    blocks=1, operations=("avg_pool_3x3", "conv_3x3"), combinations=("add",)
)
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
