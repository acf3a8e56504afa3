import json

import numpy as np
import pytest

from nasnet_keras import checks


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3)])
def test_numpys_integers_become_plain_ones(value):
    assert json.dumps(checks.integer("classes", value, 1)) == "3"


@pytest.mark.parametrize("value", [0.5, np.float32(0.5), np.float64(0.5)])
def test_numpys_numbers_become_plain_ones(value):
    assert json.dumps(checks.number("rate", value, 0)) == "0.5"


@pytest.mark.parametrize("value", [True, np.True_, 1.0, "1", None, [1], 0])
def test_what_is_no_positive_integer(value):
    with pytest.raises(ValueError, match="`classes` must be an integer of at "):
        checks.integer("classes", value, 1)


@pytest.mark.parametrize(
    "value", [True, np.nan, np.inf, -np.inf, "1", None, 1, -0.1, 1j, 10**400]
)
def test_what_is_no_rate(value):
    message = "`rate` must be a finite number of at least 0 and below 1. Rec"
    with pytest.raises(ValueError, match=message):
        checks.number("rate", value, least=0, below=1)


def test_limits():
    assert checks.integer("n", 2, 2, 2) == 2
    assert checks.number("n", 2, least=2, most=2) == 2
    with pytest.raises(ValueError, match=r"above 0\. Received: n=0"):
        checks.number("n", 0, above=0)
    with pytest.raises(ValueError, match=r"at most 3\. Received: n=4"):
        checks.integer("n", 4, most=3)


def test_seeds():
    assert checks.seed(2**32 - 1) == 2**32 - 1
    for wrong in (-1, 2**32, "a", 1.5, True):
        with pytest.raises(ValueError, match="`seed` must be an integer"):
            checks.seed(wrong)


def test_choices():
    assert checks.choice("loss", "a", ("a", "b")) == "a"
    with pytest.raises(ValueError, match="`loss` must be one of 'a', 'b'"):
        checks.choice("loss", "x", ("a", "b"))


def test_flags():
    assert checks.flag("nesterov", np.True_) is True
    assert checks.flag("nesterov", False) is False
    for wrong in (1, 0.0, "yes", None, np.int64(1)):
        with pytest.raises(ValueError, match="`nesterov` must be True or Fa"):
            checks.flag("nesterov", wrong)
