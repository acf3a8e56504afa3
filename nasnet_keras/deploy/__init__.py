"""Models for other programs: servers, phones, other frameworks.

Names are loaded when they are first used, as in `nasnet_keras`.
"""

import importlib

_HOMES = {"fuse": "fusing.fuse", "export": "exporting.export"}

__all__ = sorted(_HOMES)


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
