"""The contract of evaluators."""

import pytest

from nasnet_keras.genotypes.published import NASNET_A
from nasnet_keras.search.evaluators.evaluator import Evaluator


def test_an_evaluator_without_measure_is_told_what_to_implement():
    with pytest.raises(NotImplementedError, match=r"must implement measure\("):
        Evaluator()(NASNET_A)
