"""The later stages of a search: its best genotypes are judged again.

- `finals.jsonl`: one line for each genotype that a stage has evaluated, so
  that a stopped search goes on where it was.
- `ranking.json`: the order that results, written once all stages are done.
"""

import contextlib
import hashlib
import math
import time
import traceback
from collections.abc import Callable
from typing import Any

from nasnet_keras.runs.files import json_text, write_json
from nasnet_keras.runs.notices import notice
from nasnet_keras.search.engines.parallel import Task, as_they_end
from nasnet_keras.search.evaluators.evaluator import (
    Evaluator,
    EvaluatorError,
    Judge,
)
from nasnet_keras.search.evaluators.funnel import settings_of_stage
from nasnet_keras.search.names import FINALS, RANKING
from nasnet_keras.search.oracles.journal import Journal
from nasnet_keras.search.results import SearchResults

Record = dict[str, Any]


def judge_again(
    results: SearchResults,
    evaluator: Evaluator,
    trials: int,
    report: Callable[[str], None] = lambda line: None,
) -> None:
    """Runs the later stages, or resumes them, and ranks the genotypes.

    What a stage has evaluated is not evaluated again, also if more trials
    were added to the search.

    Args:
        results: `SearchResults`, whose `ranking` is replaced.
        evaluator: `Evaluator` of the trials.
        trials: Integer, the number of trials.
        report: Function that gets a line after each evaluation.

    Raises:
        EvaluatorError: If no genotype can be evaluated.
    """
    judges = evaluator.later_stages(trials)
    if not judges:
        return
    candidates = results.by_reward()
    order: list[Record] = []
    with contextlib.closing(Journal(results.folder / FINALS)) as journal:
        known = journal.read()
        for number, judge in enumerate(judges, 1):
            stage = _Stage(results, number, judge, journal, known, report)
            judged = stage.run(candidates[: judge.children])
            if not judged:
                notice(
                    f"{results.folder}: no genotype could be trained in stage "
                    f"{number} ({judge.name}), see {FINALS} there. The order "
                    "is that of the stage before."
                )
                break
            candidates = judged
            # Behind them those that reached no further than an earlier stage.
            chosen = {record["trial"] for record in judged}
            order = judged + [r for r in order if r["trial"] not in chosen]
    results.ranking[:] = order
    write_json(results.folder / RANKING, {"ranking": order})


class _Stage:
    """One later stage.

    Args:
        number: Integer from 1.
        known: List of the records in the journal.
        (others as in `judge_again`)
    """

    def __init__(self, results, number, judge: Judge, journal, known, report):
        self.results = results
        self.number = number
        self.judge = judge
        self.journal = journal
        self.report = report
        self.schedule = digest(judge)
        self.known = {
            record["trial"]: record
            for record in known
            if (record["stage"], record["schedule"]) == (number, self.schedule)
        }

    def run(self, candidates):
        """Evaluates records; returns those with a score, best first."""
        waiting = [c for c in candidates if c["trial"] not in self.known]
        tasks = map(self._task, waiting)
        with contextlib.closing(self.judge.evaluator) as evaluator:
            for (candidate, began), future in as_they_end(
                evaluator, lambda: next(tasks, None)
            ):
                record = self._record(candidate, began, future)
                self.journal.append(record)
                self.known[candidate["trial"]] = record
                done = sum(c["trial"] in self.known for c in candidates)
                self.report(self._line(done, len(candidates), record))
        judged = [{**c, **self.known[c["trial"]]} for c in candidates]
        # Of equal scores, the one that the stage before preferred.
        return sorted(
            (record for record in judged if record["score"] is not None),
            key=lambda record: -record["score"],
        )

    def _task(self, candidate):
        space, values = self.results.space, candidate["values"]
        settings = space.to_settings(values)
        return Task(
            (candidate, time.monotonic()),
            space.to_genotype(values),
            settings_of_stage(settings, self.judge.length),
            f"stage {self.number + 1}, trial {candidate['trial']}",
        )

    def _record(self, candidate, began, future):
        """Returns the record of an evaluation that ended."""
        record = {
            "trial": candidate["trial"],
            "stage": self.number,
            "schedule": self.schedule,
            "score": None,
        }
        try:
            found = future.result()
            if not math.isfinite(found.reward):
                raise ValueError(f"The reward is {found.reward}")
            record |= {
                "score": found.reward,
                "metrics": found.measurements,
                "curve": found.curve,
            }
        except EvaluatorError:
            raise
        except Exception:  # This genotype alone.
            record["message"] = traceback.format_exc()
        return record | {"seconds": round(time.monotonic() - began, 3)}

    def _line(self, place, number, record):
        score = record["score"]
        found = "failed" if score is None else f"reward {score:.4f}"
        return (
            f"stage {self.number + 1}, {place}/{number}: trial "
            f"{record['trial']}, {found}"
        )


def digest(judge: Judge) -> str:
    """Returns what identifies all that the rewards of a stage depend on."""
    text = json_text([judge.name, judge.evaluator.describe()])
    return hashlib.sha256(text.encode()).hexdigest()[:16]
