"""Arguments that layers and networks share. Needs no Keras."""

from typing import Any

from nasnet_keras.checks import choice, number

POOLING_SEMANTICS = ("tf_slim", "keras")
# The position of strided windows on a side of even length.
ALIGNMENTS = ("tensorflow", "pytorch")


def rate(name: str, value: Any) -> float:
    """Returns a rate: a number from 0 to below 1."""
    return number(name, value, least=0, below=1)


def flag(name: str, value: Any) -> bool:
    """Returns a boolean; NumPy's are accepted, and 0 and 1."""
    return bool(choice(name, value, (True, False)))
