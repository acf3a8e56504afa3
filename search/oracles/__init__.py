"""Oracles: what to train next. All are `keras_tuner.Oracle`s of one base."""

import importlib

from nasnet_keras.search.names import ORACLES


def find_oracle(name):
    """Returns the class of an oracle by its name.

    Raises:
        ValueError: If there is none of that name.
    """
    if name not in ORACLES:
        raise ValueError(
            f"An oracle is one of {', '.join(ORACLES)}. Received: {name!r}"
        )
    module, attribute = ORACLES[name]
    module = importlib.import_module(f"{__name__}.{module}")
    return getattr(module, attribute)
