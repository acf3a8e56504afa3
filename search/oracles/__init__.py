"""Oracles decide what is evaluated next.

`algorithm.py` and one file per algorithm: records in, proposals out.
`core.py` chooses among the proposals. `ledger.py` keeps the folder.
`adapter.py` makes a `keras_tuner.Oracle` of them.
"""

from __future__ import annotations

import importlib

from nasnet_keras.search.names import ORACLES


def find_oracle(name: str) -> type:
    """Returns the class of an oracle by its name.

    Raises:
        ValueError: If the name is unknown.
    """
    if name not in ORACLES:
        raise ValueError(
            f"An oracle is one of {', '.join(ORACLES)}. Received: {name!r}"
        )
    module = importlib.import_module(f"{__name__}.keras_tuner_oracles")
    return getattr(module, ORACLES[name])
