"""The trials of KerasTuner and the records of the journal."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

from keras_tuner.engine import trial as trial_module

from nasnet_keras import checks
from nasnet_keras.runs.files import DamagedFileError, finite
from nasnet_keras.search.oracles.journal import REMEDY

# The metric whose value at each step is kept in the record.
CURVE = "curve"
Trial = trial_module.Trial
Status = trial_module.TrialStatus


def trial_id(number: int) -> str:
    """Returns the identifier of a trial."""
    return f"{number:05d}"


class Trials(MutableMapping[str, Any]):
    """The trials of an oracle by their identifier, in the order of the starts.

    One that has ended is kept as its record and made of it when it is read:
    a `Trial` takes ten times as much memory.

    Args:
        make: Function of a record that returns its `Trial`.
    """

    def __init__(self, make: Callable[[dict[str, Any]], Any]):
        self._make = make
        self._entries: dict[str, Any] = {}  # Trials, and records of ended ones.

    def end(self, record: dict[str, Any]) -> None:
        """Keeps a trial that has ended."""
        self._entries[trial_id(record["trial"])] = record

    def has_ended(self, name: str) -> bool:
        """Returns whether the trial with an identifier has ended."""
        return isinstance(self._entries.get(name), dict)

    def __getitem__(self, name: str) -> Any:
        entry = self._entries[name]
        return self._make(entry) if isinstance(entry, dict) else entry

    def __setitem__(self, name: str, trial: Any) -> None:
        self._entries[name] = trial

    def __delitem__(self, name: str) -> None:
        del self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def copy_hyperparameters(hyperparameters: Any) -> Any:
    """Returns `HyperParameters` with the same space and values of their own.

    Their own `copy` makes each hyperparameter anew from its configuration:
    a millisecond for 50. Nothing changes one after it was made.
    """
    copied = type(hyperparameters)()
    copied.values = dict(hyperparameters.values)
    copied._space += hyperparameters._space
    for name, same_name in hyperparameters._hps.items():
        copied._hps[name] += same_name
    return copied


def direction_of(objective: Any, name: str) -> str:
    """Returns the direction of a metric, `"min"` or `"max"`."""
    for part in getattr(objective, "objectives", [objective]):
        if part.name == name:
            return part.direction
    return "max"


def why_no_score(trial: Any, name: str) -> str | None:
    """Returns why the objective gives no score; `None` if it gives one.

    It must have a finite value at one step at least.
    """
    exists = trial.metrics.exists(name)
    history = trial.metrics.get_history(name) if exists else []
    values = [value for entry in history for value in entry.value]
    if any(math.isfinite(value) for value in values):
        return None
    return f"{name} is not a finite number: {values}"


def why_no_number(score: float, name: str) -> str | None:
    """Returns why a score, the best of all steps, cannot be used."""
    if math.isfinite(score):
        return None
    return f"{name} is not a finite number: {score}"


def to_record(
    trial: Any, notes: dict[str, Any], seconds: float, retries: int = 0
) -> dict[str, Any]:
    """Returns the record of a trial that has just ended.

    It is what is read back from its line: `None` for NaN.

    Args:
        trial: `Trial`.
        notes: Dictionary, the notes of its proposal.
        seconds: Float, how long it took.
        retries: Integer, how often it was started again after a failure;
            `message` is then that of the last failure.
    """
    record = {
        "trial": int(trial.trial_id),
        "status": str(trial.status),
        "score": trial.score,
        "metrics": _last_values(trial),
        "seconds": round(seconds, 3),
        "ended": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        **({"retries": retries} if retries else {}),
        **({"best_step": trial.best_step} if trial.best_step else {}),
        **notes,
        "values": trial.hyperparameters.values,
    }
    if trial.metrics.exists(CURVE):
        history = trial.metrics.get_history(CURVE)
        record[CURVE] = [entry.value[0] for entry in history]
    if trial.message:
        record["message"] = trial.message
    return finite(record)


def _last_values(trial):
    metrics = trial.metrics.metrics
    return {
        name: metrics[name].get_last_value()
        for name in metrics
        if name != CURVE
    }


def check_records(
    records: list[dict[str, Any]], path: str | os.PathLike[str]
) -> list[dict[str, Any]]:
    """Returns the records of a journal, if they are records of trials.

    Lines of earlier versions have no checksum that tells.

    Args:
        records: List of dictionaries.
        path: Path of their file, for the error message.

    Raises:
        DamagedFileError: If an entry is missing or of another kind.
    """
    for number, record in enumerate(records, 1):
        score = record.get("score", "")
        wrong = [
            name
            for name, valid in (
                ("trial", checks.is_integer(record.get("trial"), 0)),
                ("status", isinstance(record.get("status"), str)),
                ("score", score is None or checks.is_number(score)),
                ("metrics", _are_numbers(record.get("metrics"))),
                ("values", isinstance(record.get("values"), dict)),
                (CURVE, _are_numbers(dict(enumerate(record.get(CURVE, []))))),
            )
            if not valid
        ]
        if wrong:
            raise DamagedFileError(
                f"{path}, line {number} is damaged: {', '.join(wrong)} is "
                f"missing or of another kind. {REMEDY}"
            )
    return records


def _are_numbers(named):
    """Whether it is a dictionary of numbers; `None` is a NaN."""
    return isinstance(named, dict) and all(
        value is None or checks.is_number(value) for value in named.values()
    )


def to_trial(
    record: dict[str, Any], hyperparameters: Any, objective: Any
) -> Any:
    """Returns the trial of a record.

    Args:
        record: Dictionary, see `to_record`.
        hyperparameters: `keras_tuner.HyperParameters` of the space; its
            values are set.
        objective: Objective of the oracle.
    """
    hyperparameters.values = dict(record["values"])
    identifier = trial_id(record["trial"])
    trial = Trial(hyperparameters, identifier, record["status"])
    trial.score, trial.message = record["score"], record.get("message")
    trial.best_step = record.get("best_step", 0)
    last = {name: [value] for name, value in record["metrics"].items()}
    curve = {CURVE: record[CURVE]} if CURVE in record else {}
    for name, values in {**last, **curve}.items():
        trial.metrics.register(name, direction_of(objective, name))
        for step, value in enumerate(values):
            number = math.nan if value is None else value
            trial.metrics.update(name, number, step=step)
    return trial
