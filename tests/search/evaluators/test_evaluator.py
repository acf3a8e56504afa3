"""The contract of evaluators."""

import keras
import numpy as np
import pytest

from nasnet_keras.genotypes.published import NASNET_A
from nasnet_keras.search.evaluators.evaluator import Evaluator, describe_data
from nasnet_keras.training.data.dataset import Dataset


def test_an_evaluator_without_measure_is_told_what_to_implement():
    with pytest.raises(NotImplementedError, match=r"must implement measure\("):
        Evaluator()(NASNET_A)


def test_rewards_of_another_precision_are_other_rewards():
    """Searches in single precision from before it was recorded go on."""
    part = np.zeros((2, 8, 8, 3), "uint8"), np.arange(2)
    data = Dataset("zeros", ("a", "b"), part, part, part)
    before = describe_data(data)
    assert "dtype_policy" not in before
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        now = describe_data(data)
    finally:
        keras.config.set_dtype_policy("float32")
    assert now == {**before, "dtype_policy": "mixed_bfloat16"}
