"""`run.json`: the command and configuration of a training."""

import dataclasses
import json
import os
import pathlib
from typing import Any

from nasnet_keras.runs.files import (
    DamagedFileError,
    json_text,
    read_json,
    write_json,
)
from nasnet_keras.runs.folder import differences, without_data_name
from nasnet_keras.runs.provenance import provenance
from nasnet_keras.training.fit import CHECKPOINTS
from nasnet_keras.training.recipes import Recipe

RUN_FILE = "run.json"
# Settings that may be paths.
PATHS = {"network": ("model", "weights"), "fine_tuning": ("teacher",)}
# Settings that earlier versions did not write, with the values they used.
NEWER_SETTINGS: dict[str, Any] = {"precision": "float32", "fine_tuning": {}}


def write_run_file(
    directory: pathlib.Path, command: str, configuration: dict[str, Any]
) -> None:
    """Writes `run.json`, unless the folder holds checkpoints of this training.

    Args:
        directory: `pathlib.Path` of the training's folder.
        command: String, what the user entered.
        configuration: Dictionary that JSON can hold, all that the curve
            depends on.

    Raises:
        ValueError: If the folder holds checkpoints of another configuration.
    """
    path = directory / RUN_FILE
    configuration = json.loads(json_text(_with_places(configuration)))
    if any((directory / CHECKPOINTS).glob("*.keras")):
        _check_same(directory, _read_configuration(path), configuration)
        return
    content = {
        "command": command,
        "configuration": configuration,
        "produced_by": provenance(),
    }
    write_json(path, content)


def _read_configuration(path: pathlib.Path) -> dict[str, Any]:
    remedy = "Restore a copy of it, or give a new folder."
    before = read_json(path, remedy=remedy).get("configuration")
    if isinstance(before, dict) and isinstance(before.get("recipe"), dict):
        return _with_places(before)
    raise DamagedFileError(
        f"{path} is damaged: it holds no configuration. {remedy}"
    )


def _with_places(configuration: dict[str, Any]) -> dict[str, Any]:
    """Makes paths absolute: a file may be named by another one next time."""
    configuration = dict(configuration)
    for part, names in PATHS.items():
        values = dict(configuration.get(part) or {})
        for name in names:
            if name in values and os.path.exists(values[name]):
                values[name] = os.path.realpath(values[name])
        if part in configuration:
            configuration[part] = values
    return configuration


def _check_same(
    directory: pathlib.Path,
    before: dict[str, Any],
    configuration: dict[str, Any],
) -> None:
    # The run used the defaults of settings that are newer than it.
    before = {**NEWER_SETTINGS, **before}
    defaults = dataclasses.asdict(Recipe(1, 1, 1.0))
    before["recipe"] = {**defaults, **before["recipe"]}
    pair = without_data_name(before), without_data_name(configuration)
    lines = list(differences(*pair))
    if lines:
        raise ValueError(
            f"`directory` {directory} holds another training. Nothing was "
            "changed. Give its own arguments to resume it, or a new folder. "
            "These differ:\n  " + "\n  ".join(lines)
        )
