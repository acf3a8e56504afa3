"""The worker's side of every engine: what runs in the other process."""

from __future__ import annotations

import contextlib
import importlib
import traceback
from typing import Any, NamedTuple

from nasnet_keras.cells.operations import OPERATIONS
from nasnet_keras.search.engines.computing import Share, prepare
from nasnet_keras.search.evaluators.evaluator import EvaluatorError
from nasnet_keras.search.evaluators.keras_state import (
    read_keras_state,
    set_keras_state,
)


class Setup(NamedTuple):
    """What a worker gets of the search's process besides the evaluator.

    Args:
        keras: Dictionary, the configuration of Keras.
        modules: List of the names of modules that register operations.
    """

    keras: dict[str, Any]
    modules: list[str]

    @classmethod
    def of_this_process(cls) -> Setup:
        """Returns that of this process.

        A script is not among the modules: Python runs it in spawned processes
        anyway.
        """
        modules = {function.__module__ for function in OPERATIONS.values()}
        return cls(read_keras_state(), sorted(modules - {"__main__"}))

    def apply(self, share: Share) -> None:
        """Sets this process up, before anything is computed."""
        prepare(share)
        set_keras_state(self.keras)
        for name in self.modules:
            # If an operation is missing, the child's error names it.
            with contextlib.suppress(ImportError):
                importlib.import_module(name)


class Answer(NamedTuple):
    """What a worker answers.

    Args:
        result: What `Evaluator.compute` returns, or `None`.
        error: String, the traceback of the child's error, or `None`.
        fatal: String, why no genotype can be evaluated, or `None`.
    """

    result: Any = None
    error: str | None = None
    fatal: str | None = None

    def checked(self) -> tuple[Any, str | None]:
        """Returns result and error.

        Raises:
            EvaluatorError: If no genotype can be evaluated.
        """
        if self.fatal is not None:
            raise EvaluatorError(self.fatal)
        return self.result, self.error


class Server:
    """Evaluates one genotype after the other.

    Args:
        evaluator: `Evaluator`.
    """

    def __init__(self, evaluator: Any):
        self.evaluator = evaluator
        self.curves: list[Any] = []

    def compute(
        self, genotype: Any, settings: dict[str, Any], curves: list[Any]
    ) -> Answer:
        """Evaluates a genotype; see `Worker.compute` for the arguments."""
        self.curves += curves
        try:
            self.evaluator.resume(None, self.curves)
            return Answer(self.evaluator.compute(genotype, **settings))
        except EvaluatorError as error:
            return Answer(fatal=str(error))
        except Exception:
            return Answer(error=traceback.format_exc())
