"""Several genotypes at a time: as many as the evaluator has workers."""

import concurrent.futures
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from nasnet_keras.genotypes import Genotype
from nasnet_keras.search.evaluators.evaluator import Evaluator

Future = concurrent.futures.Future


class Task(NamedTuple):
    """A genotype to be evaluated.

    Args:
        key: Any object, by which its result is known.
        genotype: `Genotype`.
        settings: Dictionary, further arguments of the evaluator.
        name: String, for the logs of the workers.
    """

    key: Any
    genotype: Genotype
    settings: dict[str, Any]
    name: str = ""


def as_they_end(
    evaluator: Evaluator, next_task: Callable[[], Task | None]
) -> Iterator[tuple[Any, Future]]:
    """Evaluates genotypes; no worker waits for another.

    Args:
        evaluator: `Evaluator`.
        next_task: Function that returns the next `Task`, or `None` if there is
            none at present. It is called whenever a worker is free, with all
            results so far known.

    Yields:
        Pairs: the key of a task; the future of its `Evaluation`, which has
        ended. Of several that ended together, the first that was begun.
    """
    running: dict[Future, Any] = {}
    while True:
        while len(running) < evaluator.workers:
            task = next_task()
            if task is None:
                break
            future = evaluator.submit(task.genotype, task.settings, task.name)
            running[future] = task.key
        if not running:
            return
        concurrent.futures.wait(
            running, return_when=concurrent.futures.FIRST_COMPLETED
        )
        for future in [future for future in running if future.done()]:
            yield running.pop(future), future
