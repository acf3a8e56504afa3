"""Checks of arguments that layers and networks share. Needs no Keras."""

from typing import Any

POOLING_SEMANTICS = ("tf_slim", "keras")
# The position of strided windows on a side of even length.
ALIGNMENTS = ("tensorflow", "pytorch")


def is_integer(value: Any, least: int) -> bool:
    """Whether `value` is an integer, not a boolean, of at least `least`."""
    is_int = isinstance(value, int) and not isinstance(value, bool)
    return is_int and value >= least


def check_positive_integer(name: str, value: Any) -> None:
    """Raises ValueError unless `value` is a positive integer."""
    if not is_integer(value, 1):
        raise ValueError(
            f"`{name}` must be a positive integer. Received: {name}={value!r}"
        )


def check_filters(value: Any, least: int = 1) -> None:
    """Raises ValueError unless `value` is an integer of at least `least`."""
    if not is_integer(value, least):
        raise ValueError(
            f"`filters` must be an integer of at least {least}. "
            f"Received: filters={value!r}"
        )


def check_rate(name: str, value: Any) -> None:
    """Raises ValueError unless `value` is a rate: from 0 to below 1."""
    if not isinstance(value, (int, float)) or not 0 <= value < 1:
        raise ValueError(
            f"`{name}` must be a number from 0 to below 1. "
            f"Received: {name}={value!r}"
        )


def check_choice(name: str, value: Any, choices: tuple) -> None:
    """Raises ValueError unless `value` is one of `choices`."""
    if value not in choices:
        raise ValueError(
            f"`{name}` must be one of {choices}. Received: {name}={value!r}"
        )


def check_pooling_semantics(value: Any) -> None:
    """Raises ValueError unless `value` names one of `POOLING_SEMANTICS`."""
    check_choice("pooling_semantics", value, POOLING_SEMANTICS)


def check_alignment(value: Any) -> None:
    """Raises ValueError unless `value` names one of `ALIGNMENTS`."""
    check_choice("alignment", value, ALIGNMENTS)
