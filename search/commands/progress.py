"""Output of `nasnet search`: results on standard output, progress on standard
error."""

import functools
import math
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

RECENT = 50  # Trials from which the time of a training step is estimated.
# Flushed, so that a pipe gets each line at once.
print_result = functools.partial(print, flush=True)


def print_status(text: str) -> None:
    """Prints a line on standard error."""
    print(text, file=sys.stderr, flush=True)


class Progress:
    """A bar on a terminal, else a line per trial; a context manager.

    Args:
        oracle: `SpaceOracle`.
        trials: Integer, the total number of trials.
        later: Pairs for each later stage: its children, and the length of
            their training relative to that of a trial.
        workers: Integer, the children at a time.
        running: Function that returns how many seconds each child at hand has
            been running.
    """

    def __init__(
        self,
        oracle: Any,
        trials: int,
        later: Sequence[tuple[int, float]] = (),
        workers: int = 1,
        running: Callable[[], Sequence[float]] = tuple,
    ):
        self.oracle = oracle
        self.trials = trials
        self.later = list(later)
        self.workers = workers
        self.running = running
        self.initial = len(oracle.end_order)
        scores = [record["score"] for record in oracle.records]
        known = [score for score in scores if score is not None]
        self.best = max(known, default=-math.inf)
        self.bar: Any = None

    def __enter__(self):
        self.start = time.monotonic()
        if sys.stderr.isatty() and self.initial < self.trials:
            from tqdm import tqdm

            self.bar = tqdm(
                total=self.trials,
                initial=self.initial,
                file=sys.stderr,
                dynamic_ncols=True,
                bar_format="trial {n}/{total} |{bar}| {postfix} [{elapsed}]",
            )
        return self

    def __exit__(self, *exception):
        if self.bar is not None:
            self.bar.close()

    def update(self, trial: Any) -> None:
        """Shows an ended trial."""
        if trial.score is not None:
            self.best = max(self.best, trial.score)
        reward = "failed" if trial.score is None else f"{trial.score:.4f}"
        best = f"{self.best:.4f}" if math.isfinite(self.best) else "none"
        done = len(self.oracle.end_order)
        left = round(self._seconds_left(done))
        text = (
            f"reward {reward}, best {best}, {left // 60}:{left % 60:02d} left"
            + self._others()
        )
        if self.bar is not None:
            self.bar.set_postfix_str(text, refresh=False)
            self.bar.update()
            return
        print_status(f"trial {done}/{self.trials}: {text}")

    def _others(self):
        """Tells of the children at hand: one that hangs is seen."""
        seconds = self.running()
        if not seconds:
            return ""
        return f", {len(seconds)} running, for up to {max(seconds):.0f} s"

    def _seconds_left(self, done):
        passed = (time.monotonic() - self.start) / (done - self.initial)
        each = passed * self.workers
        steps = self._seconds_in_steps(each)
        later = sum(
            math.ceil(children / self.workers) * (each + (length - 1) * steps)
            for children, length in self.later
        )
        return passed * max(0, self.trials - done) + later

    def _seconds_in_steps(self, each):
        """The seconds of a child that grow with its schedule."""
        known = [
            record["metrics"]["step_seconds"]
            for record in self.oracle.records[-RECENT:]
            if "step_seconds" in record["metrics"]
        ]
        return min(each, sum(known) / len(known)) if known else each

    def report(self, line: str) -> None:
        """Shows what a later stage found."""
        if self.bar is not None:
            self.bar.write(line, file=sys.stderr)
        else:
            print_status(line)
