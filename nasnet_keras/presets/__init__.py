"""Presets by name, or from users' folders.

`nasnet_keras.from_preset` builds their networks.
"""

import functools
import importlib.resources
import json
import os
import pathlib
from typing import Any

from nasnet_keras.presets.registry import PRESETS
from nasnet_keras.presets.types import CONFIG_FILE, Preset, Weights

LARGEST_CONFIG = 16 << 20  # Bytes.


def list_presets(test_sized: bool = False) -> list[str]:
    """Returns the names of the registered presets.

    Args:
        test_sized: Whether to list the tiny ones for tests too.

    Returns:
        List of strings; `nasnet models` prints their table.
    """
    return [
        name
        for name, preset in PRESETS.items()
        if test_sized or not preset.test_sized
    ]


def get_preset(preset: Preset | str | os.PathLike[str]) -> Preset:
    """Returns a preset by name, or from a folder.

    Args:
        preset: `Preset` (returned as it is), a name, or the path of a folder
            that `nasnet_keras.save_preset` wrote.

    Raises:
        ValueError: If it is neither, or the folder's `config.json` is not one.
    """
    if isinstance(preset, Preset):
        return preset
    if str(preset) in PRESETS:
        return PRESETS[str(preset)]
    folder = pathlib.Path(preset)
    config = folder / CONFIG_FILE
    if not config.is_file():
        raise ValueError(
            f"`preset` must be one of {', '.join(list_presets())}, or a folder "
            f"with a {CONFIG_FILE}. Received: preset={str(preset)!r}"
        )
    try:
        return Preset.from_dict(_read(config), folder)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"`{config}` holds no preset: {error!r}") from error


def _read(config):
    """The content of a `config.json`, which may be a stranger's."""
    with config.open("rb") as file:
        text = file.read(LARGEST_CONFIG + 1)
    if len(text) > LARGEST_CONFIG:
        raise ValueError(f"it has more than {LARGEST_CONFIG} bytes")
    return json.loads(text)


def find_weights(preset: Preset, name: Any) -> Weights | None:
    """Returns a preset's `Weights` by name, or `None` if `name` is a path.

    Raises:
        ValueError: If it is `"imagenet"` or `"cifar10"` and the preset has
            none.
    """
    if isinstance(name, str) and name in preset.weights:
        return preset.weights[name]
    if name in ("imagenet", "cifar10"):
        presets = [n for n, p in PRESETS.items() if name in p.weights]
        raise ValueError(
            f"There are no {name!r} weights for {preset.name!r}, but for "
            f"{', '.join(presets)}. Use `weights=None` (random) or the path of "
            "a file."
        )
    return None


@functools.cache
def figures() -> dict[str, dict[str, int]]:
    """Returns the golden figures: preset -> parameters and multiply-adds.

    `pretrained/figures.py` computes them; tests compare the networks with
    them.
    """
    text = (
        importlib.resources.files(__name__).joinpath("figures.json").read_text()
    )
    return json.loads(text)
