"""What each worker of a search did: a line of JSON for each event."""

from __future__ import annotations

import pathlib
import time
from typing import Any

from nasnet_keras.runs.files import json_text
from nasnet_keras.runs.notices import notice

FOLDER = "workers"


class WorkerLog:
    """The log of one place for workers, `workers/0.jsonl` in a search's folder.

    A line has `time`, `event`, and what is known of: `name` (the trial),
    `worker`, `seconds`, `megabytes`, `message`. Events: `started` (a new
    worker), `begun`, `ended`, `failed`, `killed` (the child is tried again the
    first time) and `stopped` (by Ctrl-C, or because no child can be evaluated).

    Args:
        folder: Path of the search; `None` writes nothing.
        place: Integer from 0, or the name of a worker.
    """

    def __init__(self, folder: pathlib.Path | None, place: int | str):
        self.place = place
        self.path = None
        if folder is not None:
            self.path = pathlib.Path(folder, FOLDER, f"{place}.jsonl")

    def __str__(self) -> str:
        if self.path is None:
            return f"(worker {self.place})"
        return f"(worker {self.place}: see {FOLDER}/{self.path.name})"

    def write(self, event: str, name: str = "", **known: Any) -> None:
        """Appends a line.

        Args:
            event: String, see above.
            name: String, the trial; `""` for an event of the worker.
            known: What else is known; `None` is left out.
        """
        if self.path is None:
            return
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "event": event,
            **({"name": name} if name else {}),
            **{key: value for key, value in known.items() if value is not None},
        }
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a") as file:
                file.write(json_text(line) + "\n")
        except OSError as error:  # No reason to lose what a child has found.
            notice(f"{self.path} cannot be written: {error}")
