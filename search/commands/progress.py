"""The progress of a search on standard error."""

import sys
import time


def say(text):
    """Prints a line of ours on standard error."""
    print(text, file=sys.stderr, flush=True)


class Progress:
    """A bar on a terminal, a line per trial elsewhere; a context manager.

    Args:
        oracle: `SpaceOracle`.
        trials: Integer, the trials in all.
    """

    def __init__(self, oracle, trials):
        self.oracle = oracle
        self.trials = trials
        self.initial = len(oracle.end_order)
        self.bar = None

    def __enter__(self):
        self.began = time.time()
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

    def update(self, trial):
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
        pace = (time.time() - self.began) / (done - self.initial)
        left = round(pace * max(0, self.trials - done))
        say(
            f"trial {done}/{self.trials}: {text}, {left // 60}:{left % 60:02d} "
            "left"
        )
