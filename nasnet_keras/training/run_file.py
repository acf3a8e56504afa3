"""`run.json`: the command and configuration of a training."""

import dataclasses
import json
import pathlib
from typing import Any

from nasnet_keras.runs.files import write_json
from nasnet_keras.runs.folder import differences
from nasnet_keras.runs.provenance import provenance
from nasnet_keras.training.fit import CHECKPOINTS
from nasnet_keras.training.recipes import Recipe

RUN_FILE = "run.json"
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
    configuration = json.loads(json.dumps(configuration))  # No tuples.
    if any((directory / CHECKPOINTS).glob("*.keras")):
        before = json.loads(path.read_text())["configuration"]
        _check_same(directory, before, configuration)
        return
    content = {
        "command": command,
        "configuration": configuration,
        "produced_by": provenance(),
    }
    write_json(path, content)


def _check_same(
    directory: pathlib.Path,
    before: dict[str, Any],
    configuration: dict[str, Any],
) -> None:
    # The run used the defaults of settings that are newer than it.
    before = {**NEWER_SETTINGS, **before}
    defaults = dataclasses.asdict(Recipe(1, 1, 1.0))
    before["recipe"] = {**defaults, **before["recipe"]}
    lines = list(differences(before, configuration))
    if lines:
        raise ValueError(
            f"`directory` {directory} holds another training. Nothing was "
            "changed. Give its own arguments to resume it, or a new folder. "
            "These differ:\n  " + "\n  ".join(lines)
        )
