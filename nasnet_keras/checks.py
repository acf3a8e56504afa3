"""Checks of arguments: integers, numbers, seeds, choices.

Each function returns the value as plain Python, so that NumPy's numbers are
accepted wherever a number is and can be hashed and written as JSON. Booleans
are no numbers here: `epochs=True` is a mistake.
"""

import math
import numbers
from collections.abc import Collection
from typing import Any

# NumPy's and Keras' generators take seeds of 32 bits.
LARGEST_SEED = 2**32 - 1


def is_integer(value: Any, least: int | None = None) -> bool:
    """Whether `value` is an integer, not a boolean, of at least `least`."""
    is_int = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    return is_int and (least is None or value >= least)


def is_number(value: Any) -> bool:
    """Whether `value` is a finite number, not a boolean."""
    is_real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    try:
        return is_real and math.isfinite(value)
    except OverflowError:  # An integer that is no float: 10**400.
        return False


def integer(
    name: str, value: Any, least: int | None = None, most: int | None = None
) -> int:
    """Returns an integer argument.

    Args:
        name: String, the argument's name, as it is shown in the message.
        value: Its value.
        least, most: Optional integers, the smallest and largest value.

    Raises:
        ValueError: If it is no integer (NumPy's are), or out of range.
    """
    valid = is_integer(value, least) and (most is None or value <= most)
    if not valid:
        limits = _limits(("at least", least), ("at most", most))
        _refuse(name, value, "an integer" + limits)
    return int(value)


def number(
    name: str,
    value: Any,
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
    below: float | None = None,
) -> float:
    """Returns a number as a float.

    Args:
        name: String, the argument's name, as it is shown in the message.
        value: Its value.
        least, most: Optional numbers, the smallest and largest value.
        above, below: Optional numbers that it must exceed, or stay below.

    Raises:
        ValueError: If it is no finite number (NumPy's are), or out of range.
    """
    valid = (
        is_number(value)
        and (least is None or value >= least)
        and (above is None or value > above)
        and (most is None or value <= most)
        and (below is None or value < below)
    )
    if not valid:
        limits = _limits(
            *(("at least", least), ("above", above)),
            *(("at most", most), ("below", below)),
        )
        _refuse(name, value, "a finite number" + limits)
    return float(value)


def rate(name: str, value: Any) -> float:
    """Returns a rate: a number from 0 to below 1."""
    return number(name, value, least=0, below=1)


def flag(name: str, value: Any) -> bool:
    """Returns a boolean; NumPy's are accepted, 0 and 1 are not."""
    if not isinstance(value, bool) and getattr(value, "dtype", "") != "bool":
        _refuse(name, value, "True or False")
    return bool(value)


def seed(value: Any, name: str = "seed") -> int:
    """Returns a seed: an integer of 32 bits, not negative."""
    return integer(name, value, 0, LARGEST_SEED)


def choice(name: str, value: Any, choices: Collection) -> Any:
    """Returns `value`, which must be one of `choices`."""
    if value not in choices:
        names = ", ".join(repr(each) for each in choices)
        _refuse(name, value, f"one of {names}")
    return value


def _limits(*pairs):
    """`" of at least 1 and at most 3"`, of the limits that are given."""
    texts = [f"{words} {limit}" for words, limit in pairs if limit is not None]
    return " of " + " and ".join(texts) if texts else ""


def _refuse(name, value, description):
    raise ValueError(
        f"`{name}` must be {description}. Received: {name}={value!r}"
    )
