"""Does a search beat random on CIFAR-10? Paired searches, resumable.

    python benchmarks/funnel.py --data-dir DATA --pairs 1     # within an hour
    python benchmarks/funnel.py --data-dir DATA --pairs 6     # the sign test

A pair is a search by the predictor and a random search of equal cost: as many
children of about equal parameters in each stage of a funnel (125 steps, then
the best 10 for 375 steps with another seed), rewarded by cross-entropy. The
winner of each, and NASNet-A, are then trained for longer under one recipe at
equal parameters, with seeds of their own; test images are used for these
networks alone, once each. The unit of the sign test is the pair.

Images are 16x16, 40,000 to train; rewards are measured on 2,000 others.
Journals are kept in `benchmarks/results/funnel/`: the same command goes on
where it was stopped, on another machine too. Prints its tables; writes
`benchmarks/results/funnel.json`.
"""

import contextlib
import dataclasses
import statistics
import time

from small_cifar10 import LABELS, ORACLES, Pool, make_parser, read, save

FINAL, MINUTES = "final.json", "minutes.json"


def run_search(setting, pair, label):
    """Runs or resumes a search; returns its best reward."""
    from nasnet_keras.search import Isolated, Reward, TrainFromScratch, search

    evaluator = TrainFromScratch(
        setting.dataset,
        setting.recipe,
        pair,
        reward=Reward(quality="val_likelihood"),
        funnel=setting.args.funnel,
    )
    folder = setting.folder(pair, label)
    begun = folder.is_dir()
    folder.mkdir(parents=True, exist_ok=True)
    with _timed(folder.parent / f"{label}_{MINUTES}", begun):
        results = search(
            setting.dataset,
            folder,
            space=setting.space,
            oracle=ORACLES[label],
            evaluator=Isolated(evaluator, threads=1),
            seed=pair,
            progress=lambda oracle: _Lines(f"pair {pair}, {label}", oracle),
        )
    return results.best()[0]["score"]


def train_winner(setting, pair, label, seed):
    """Trains the winner of a search, or NASNet-A."""
    from nasnet_keras import NASNET_A

    cell = NASNET_A
    if label in ORACLES:
        cell = setting.opened(pair, label).genotypes()[0]
    steps = setting.args.final_steps
    recipe = dataclasses.replace(setting.recipe, steps=steps)
    return setting.train(cell.to_dict(), recipe, setting.dataset, seed)


class _Lines:
    """Prints a line for each child of a search."""

    def __init__(self, title, oracle):
        self.title, self.oracle = title, oracle

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass

    def update(self, trial):
        done = len(self.oracle.end_order)
        self.report(f"trial {done}: reward {trial.score}")

    def report(self, line):
        print(f"{self.title}: {line}", flush=True)


@contextlib.contextmanager
def _timed(path, begun):
    """Adds the minutes of the block to those in a file.

    What was begun without the file stays without it: it was not timed from its
    start.
    """
    if begun and not path.is_file():
        yield
        return
    began = time.monotonic()
    try:
        yield
    finally:
        before = float(path.read_text()) if path.is_file() else 0
        minutes = before + (time.monotonic() - began) / 60
        path.write_text(f"{minutes:.2f}\n")


def run_pair(args, pool, pair):
    """Returns label -> list of results by seed."""
    pool.run(
        {
            f"pair {pair}, {label}": (run_search, pair, label)
            for label in ORACLES
        }
    )
    # A network has the same seeds wherever it is trained.
    first = 1000 * (pair + 1)
    tasks = {
        f"{label}, seed {seed}": (train_winner, pair, label, seed)
        for seed in range(first, first + args.seeds)
        for label in LABELS
    }
    folder = args.directory / f"{pair:02d}"
    known = folder / FINAL
    with _timed(folder / f"final_{MINUTES}", known.is_file()):
        found = pool.run(tasks, known)
    return {
        label: [found[key] for key, task in tasks.items() if task[2] == label]
        for label in LABELS
    }


def minutes_of(args, pair):
    """Returns the minutes of a pair: searches side by side, then trainings.

    `None` for a pair that was paused or ran beside other work: it has no files
    of minutes.
    """
    folder = args.directory / f"{pair:02d}"
    parts = (*ORACLES, "final")
    found = [read(folder / f"{part}_{MINUTES}") for part in parts]
    if not all(found):
        return None
    *searches, final = found
    return max(searches) + final


def table(results, minutes):
    """Returns the results of all pairs as Markdown, and the sign tests.

    Args:
        results: Pair -> label -> list of results.
        minutes: Pair -> its minutes, or `None`.
    """
    from scipy.stats import binomtest

    lines = ["| pair | " + " | ".join(LABELS) + " | minutes |"]
    lines += ["|---" * (len(LABELS) + 2) + "|"]
    for pair, by_label in results.items():
        cells = [f"{_mean(by_label[label]):.2f}" for label in LABELS]
        taken = f"{minutes[pair]:.0f}" if minutes[pair] else "not timed"
        lines.append(f"| {pair} | " + " | ".join(cells) + f" | {taken} |")
    for rival in LABELS[1:]:
        margins = [
            _mean(r["searched"]) - _mean(r[rival]) for r in results.values()
        ]
        wins = sum(margin > 0 for margin in margins)
        p = binomtest(wins, len(margins)).pvalue
        lines.append(
            f"\nsearched above {rival}: {wins} of {len(margins)} pairs (sign "
            f"test, two-sided p = {p:.3f}), by {statistics.mean(margins):+.2f} "
            "points on average"
        )
    return "\n".join(lines)


def _mean(rows):
    return statistics.mean(row["test"] for row in rows)


def main():
    args = make_parser(__doc__, final_steps=875).parse_args()
    results, minutes = {}, {}
    with Pool(args) as pool:
        for pair in range(args.pairs):
            results[pair] = run_pair(args, pool, pair)
            minutes[pair] = minutes_of(args, pair)
            print(table(results, minutes), flush=True)
    save(args, "funnel.json", {"results": results, "minutes": minutes})


if __name__ == "__main__":
    main()
