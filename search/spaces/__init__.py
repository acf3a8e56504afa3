"""Search spaces, and how to find them by name."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable

from nasnet_keras.genotypes.published import NASNET_A
from nasnet_keras.search.names import SPACES
from nasnet_keras.search.spaces.darts import DARTSSpace
from nasnet_keras.search.spaces.nasbench201 import NASBench201Space
from nasnet_keras.search.spaces.nasnet import NASNetSpace
from nasnet_keras.search.spaces.space import Decision, SearchSpace
from nasnet_keras.search.spaces.wired import WiredSpace

__all__ = [
    "SPACES",
    "DARTSSpace",
    "Decision",
    "NASBench201Space",
    "NASNetSpace",
    "SearchSpace",
    "WiredSpace",
    "find_space",
]

NASNET_A_OPERATIONS = (
    "identity",
    "avg_pool_3x3",
    "max_pool_3x3",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "sep_conv_7x7",
)
# melodyguan/enas cifar10/micro_child.py.
ENAS_OPERATIONS = (
    "sep_conv_3x3",
    "sep_conv_5x5",
    "avg_pool_3x3",
    "max_pool_3x3",
    "factorized_identity",
)


def _nasnet(blocks=5):
    return NASNetSpace(blocks)


def _nasnet_a(blocks=5):
    return NASNetSpace(
        blocks=blocks,
        operations=NASNET_A_OPERATIONS,
        combinations=("add",),
    )


def _nasnet_a_wired(blocks=None):
    return WiredSpace(NASNET_A, NASNET_A_OPERATIONS, blocks)


def _nasnet_b(blocks=4):
    """Four input states; cells output all blocks; sums may be normalized."""
    return NASNetSpace(
        blocks=blocks,
        inputs=4,
        combinations=(
            "add",
            "concat",
            "add_layer_norm",
            "add_instance_norm",
        ),
        outputs="all",
    )


def _enas(blocks=5):
    return NASNetSpace(
        blocks=blocks,
        operations=ENAS_OPERATIONS,
        combinations=("add",),
    )


_MAKERS: dict[str, Callable[..., SearchSpace]] = {
    "nasnet": _nasnet,
    "nasnet_a": _nasnet_a,
    "nasnet_a_wired": _nasnet_a_wired,
    "nasnet_b": _nasnet_b,
    "enas": _enas,
    "darts": DARTSSpace,
    "nasbench201": NASBench201Space,
}


def find_space(name: str, blocks: int | None = None) -> SearchSpace:
    """Returns a search space by name.

    Args:
        name: String, one of `SPACES`, or `"module:name"`: a `SearchSpace` in
            an importable module, or a function there that returns one.
        blocks: Optional integer, the blocks of a cell, for spaces whose cells
            may have any size.

    Raises:
        ValueError: If there is no such space.
    """
    if not isinstance(name, str):
        raise ValueError(f"`name` must be a string. Received: name={name!r}")
    if ":" in name:
        space = _import_space(name)
        if blocks is not None:
            raise ValueError(
                f"The space {name!r} says itself how many blocks its cells "
                f"have: leave `blocks` out. Received: blocks={blocks}"
            )
        return space
    if name not in SPACES:
        raise ValueError(
            f"A space is one of {', '.join(SPACES)}, or your own as "
            f"MODULE:NAME. Received: {name!r}"
        )
    if blocks is not None and name in ("darts", "nasbench201"):
        raise ValueError(
            f"The space {name!r} has cells of one size. Received: "
            f"blocks={blocks}"
        )
    make = _MAKERS[name]
    return make() if blocks is None else make(blocks)


def _import_space(name):
    module, _, attribute = name.partition(":")
    wanted = (
        f"The space {name!r} must be MODULE:NAME of a SearchSpace, or of a "
        "function or class that returns one without arguments"
    )
    if not module or not attribute:
        raise ValueError(f"{wanted}.")
    # An installed command, unlike `python -m`, does not search this folder.
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        value = getattr(importlib.import_module(module), attribute)
    except (
        Exception,
        SystemExit,
    ) as error:  # It may be of any line in the module.
        raise ValueError(
            f"There is no space {name!r}: {type(error).__name__}: {error}"
        ) from error
    if isinstance(value, SearchSpace):
        return value
    if not callable(value):
        raise ValueError(f"{wanted}. It is {value!r}")
    try:
        space = value()
    except (Exception, SystemExit) as error:
        raise ValueError(
            f"{wanted}. Calling it: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(space, SearchSpace):
        raise ValueError(f"{wanted}. It returns {space!r}")
    return space
