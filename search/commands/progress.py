"""Output of `nasnet search`: results on standard output, progress on standard
error."""

import functools
import sys
import time
from typing import Any

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
    """

    def __init__(self, oracle: Any, trials: int):
        self.oracle = oracle
        self.trials = trials
        self.initial = len(oracle.end_order)
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
                bar_format="trial {n}/{total} |{bar}| {postfix} "
                "[{elapsed}, {remaining} left]",
            )
        return self

    def __exit__(self, *exception):
        if self.bar is not None:
            self.bar.close()

    def update(self, trial: Any) -> None:
        """Shows an ended trial."""
        best = self.oracle.get_best_trials(1)[0].score
        reward = "failed" if trial.score is None else f"{trial.score:.4f}"
        best = "none" if best is None else f"{best:.4f}"
        text = f"reward {reward}, best {best}"
        if self.bar is not None:
            self.bar.set_postfix_str(text, refresh=False)
            self.bar.update()
            return
        done = len(self.oracle.end_order)
        seconds_each = (time.monotonic() - self.start) / (done - self.initial)
        left = round(seconds_each * max(0, self.trials - done))
        print_status(
            f"trial {done}/{self.trials}: {text}, {left // 60}:{left % 60:02d} "
            "left"
        )
