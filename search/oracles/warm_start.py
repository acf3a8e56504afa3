"""The trials of an earlier search, observed before the first trial."""

from __future__ import annotations

import json
import os
import pathlib
from typing import Any

from nasnet_keras.runs.files import json_text, read_json
from nasnet_keras.runs.notices import notice
from nasnet_keras.search.names import CONFIG, JOURNAL, equal_size
from nasnet_keras.search.oracles.journal import finished_lines, parse_lines
from nasnet_keras.search.oracles.trials import check_records
from nasnet_keras.search.spaces.space import SearchSpace


def read_warm_start(
    folder: str | os.PathLike[str] | None,
    space: SearchSpace,
    config: dict[str, Any],
) -> bytes:
    """Returns the finished lines of an earlier search's journal.

    Args:
        folder: Path of the earlier search; `None` returns no lines.
        space: `SearchSpace` of this search.
        config: Dictionary, the configuration of this search.

    Raises:
        ValueError: If the folder holds no search of this space and reward, or
            a line is damaged.
    """
    if folder is None:
        return b""
    path = pathlib.Path(folder, JOURNAL)
    if not path.is_file():
        raise ValueError(
            "`warm_start` must be the folder of a search. Received: "
            f"{folder}, which has no {JOURNAL}"
        )
    _check_reward(folder, config)
    content = finished_lines(path.read_bytes())
    for record in check_records(parse_lines(content, path), path):
        try:
            space.to_actions(record["values"])
        except ValueError as error:
            raise ValueError(
                f"{folder} is a search of another space: {error}"
            ) from error
    return content


def _check_reward(folder, config):
    """Refuses an earlier search whose rewards are on another scale."""
    path = pathlib.Path(folder, CONFIG)
    theirs = read_json(path) if path.is_file() else {}
    ours = json.loads(json_text(config))
    if "statistics" in ours and "statistics" not in theirs:
        notice(
            f"{folder} was made by an earlier version, whose children were "
            "measured with moving averages of the batch statistics: its "
            "rewards are on another scale than this search's."
        )
    sizes = equal_size(theirs), equal_size(ours)
    if None not in sizes and sizes[0] != sizes[1]:
        raise ValueError(
            "`warm_start` must be a search whose children are equal in the "
            f"same size: {folder} gave all the same {sizes[0]}, this one gives "
            f"about the same {sizes[1]}, and that orders cells in another "
            f"way. Search with {sizes[0]}, or without it"
        )
    for key in ("objective", "evaluator", "reward"):
        if key in theirs and key in ours and theirs[key] != ours[key]:
            raise ValueError(
                "`warm_start` must be a search for the same reward. "
                f"{folder} has {key} {theirs[key]!r}, this one {ours[key]!r}"
            )
