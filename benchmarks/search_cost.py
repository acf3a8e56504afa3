"""What a trial costs beside its child, from the first to the 20,000th.

    python benchmarks/search_cost.py

The evaluator takes microseconds: what is left is the oracle, the journal and
the loop of `search`. For each algorithm on the paper's space: the median
milliseconds of a trial before the 100th, 300th, 3,000th and 20,000th; then, in
a new process, the seconds and megabytes of opening the folder again.
KerasTuner's RandomSearch runs the same decisions beside ours, as far as
`--rival-trials`. The predictor's row is of means, since its model is fitted
less and less often: of as many trials as one model serves, at least 20, after
random ones. The last row: 500 workers on one oracle, whose trials end in random
order.

Writes `benchmarks/results/search_cost.json`.
"""

import argparse
import itertools
import multiprocessing
import pathlib
import random
import statistics
import tempfile
import time

OUTPUT = pathlib.Path(__file__).parent / "results" / "search_cost.json"
PLACES = (100, 300, 1000, 3000, 10000, 20000)
WINDOW = 100  # Trials before a place, whose median is taken.


def quality(values):
    """Returns the share of 5x5 convolutions; of values or operations."""
    return sum("5x5" in str(value) for value in values) / len(values)


def make_evaluator():
    """Returns an evaluator of microseconds."""
    from nasnet_keras.search import Evaluator

    class Instant(Evaluator):
        def measure(self, genotype, **settings):
            blocks = (*genotype.normal.blocks, *genotype.reduction.blocks)
            operations = [name for b in blocks for name in b.operations]
            return {"val_accuracy": quality(operations)}, []

    return Instant()


def make_oracle(name, trials, folder, **options):
    """Returns an oracle with a folder and without a tuner."""
    import keras_tuner

    from nasnet_keras.search import NASNetSpace
    from nasnet_keras.search.oracles import find_oracle

    objective = keras_tuner.Objective("reward", "max")
    oracle = find_oracle(name)(
        NASNetSpace(), objective=objective, max_trials=trials, **options
    )
    oracle.verbose = 0
    if folder is not None:
        oracle.folder = folder
    return oracle


class Clock:
    """Replaces the progress display: records when each trial ended."""

    def __init__(self, oracle):
        self.times = []

    def __enter__(self):
        self.times.append(time.perf_counter())
        return self

    def __exit__(self, *exception):
        pass

    def update(self, trial):
        self.times.append(time.perf_counter())


def at_places(times):
    """Returns the median milliseconds before each place, and the mean of all.

    The median hides the updates of a policy, the mean has them.
    """
    each = [1000 * (b - a) for a, b in itertools.pairwise(times)]
    medians = {
        str(place): round(statistics.median(each[place - WINDOW : place]), 3)
        for place in PLACES
        if place <= len(each)
    }
    return {"ms": medians, "mean": round(statistics.mean(each), 3)}


def run_search(folder, oracle, trials):
    """Runs a search; returns the milliseconds of its trials."""
    from nasnet_keras.search import NASNetSpace, search

    space, clocks = NASNetSpace(), []

    def progress(instance):
        clocks.append(Clock(instance))
        return clocks[0]

    search(
        *(None, folder, trials, space, oracle, make_evaluator()),
        progress=progress,
    )
    return at_places(clocks[0].times)


def reopen(folder, oracle, trials):
    """Opens a folder again; returns seconds and megabytes."""
    context = make_evaluator().describe()
    instance = make_oracle(oracle, trials, folder, context=context)
    before, began = resident(), time.perf_counter()
    instance.restore()
    instance.create_trial("tuner")
    seconds = time.perf_counter() - began
    instance.close()
    return {
        "seconds": round(seconds, 2),
        "megabytes": round(resident() - before),
    }


def resident():
    """Returns the resident memory of this process in megabytes."""
    status = pathlib.Path("/proc/self/status").read_text()
    (line,) = [x for x in status.splitlines() if x.startswith("VmRSS")]
    return int(line.split()[1]) / 1000


def run_rival(folder, trials):
    """Runs KerasTuner's RandomSearch on the same decisions."""
    import keras_tuner

    from nasnet_keras.search import NASNetSpace

    space, times = NASNetSpace(), []

    class Tuner(keras_tuner.Tuner):
        def run_trial(self, trial, *args, **kwargs):
            return {"reward": quality(trial.hyperparameters.values.values())}

        def on_trial_end(self, trial):
            super().on_trial_end(trial)
            times.append(time.perf_counter())

    hyperparameters = keras_tuner.HyperParameters()
    for decision in space.decisions:
        hyperparameters.Choice(decision.name, list(decision.options))
    oracle = keras_tuner.oracles.RandomSearchOracle(
        keras_tuner.Objective("reward", "max"),
        max_trials=trials,
        seed=1,
        hyperparameters=hyperparameters,
    )
    tuner = Tuner(oracle, directory=folder, project_name="rival")
    times.append(time.perf_counter())
    tuner.search(verbose=0)
    return at_places(times)


def run_workers(folder, oracle, trials, workers):
    """Many workers, one oracle: trials end in random order.

    Returns the milliseconds of the oracle for each trial: a proposal and an
    end.
    """
    instance = make_oracle(oracle, trials, folder)
    rng, times = random.Random(1), []
    running, ended = {}, []
    times.append(time.perf_counter())
    free = [f"worker{number}" for number in range(workers)]
    while free:
        while free:
            name = free.pop()
            trial = instance.create_trial(name)
            if trial.status == "STOPPED":
                break
            running[name] = trial
        if not running:
            break
        name = rng.choice(list(running))
        trial = running.pop(name)
        reward = quality(trial.hyperparameters.values.values())
        instance.update_trial(trial.trial_id, {"reward": reward})
        trial.status = "COMPLETED"
        instance.end_trial(trial)
        ended.append(trial.trial_id)
        times.append(time.perf_counter())
        free.append(name)
    instance.close()
    if len(ended) != trials or len(set(ended)) != trials:
        raise RuntimeError(f"{len(set(ended))} of {trials} trials ended once")
    return at_places(times)


def run_predictor(places):
    """Returns trials -> the mean milliseconds of the predictor's proposals."""
    import numpy as np

    from nasnet_keras.search import NASNetSpace
    from nasnet_keras.search.oracles.core import Core
    from nasnet_keras.search.oracles.predictor import served_trials

    found = {}
    for place in places:
        oracle = make_oracle("predictor", place, None)
        core, space = Core(oracle.algorithm), NASNetSpace()
        rng = np.random.default_rng(0)

        def observe(number, point, core=core, space=space):
            values = space.to_values(point)
            score = quality(values.values())
            core.observe({"trial": number, "values": values, "score": score})

        number = max(20, served_trials(place))
        for trial in range(place - number):
            observe(trial, space.sample(rng))
        began = time.perf_counter()
        for trial in range(place - number, place):
            observe(trial, core.propose(trial)[0])
        seconds = time.perf_counter() - began
        found[str(place)] = round(1000 * seconds / number, 1)
        print(f"predictor, {place}: {found[str(place)]} ms", flush=True)
    return {"ms": found}


def in_new_process(function, *arguments):
    """Returns what a function returns in a process of its own."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(function, arguments)


def print_table(found):
    print(
        "| | ms a trial at "
        + " | ".join(f"{place:,}" for place in PLACES)
        + " | mean | opened again, s | MB |"
    )
    print("|---" * (len(PLACES) + 4) + "|")
    for name, row in found.items():
        cells = [f"{row['ms'].get(str(place), '-')}" for place in PLACES]
        last = ("mean", "seconds", "megabytes")
        cells += [f"{row.get(key, '-')}" for key in last]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--trials", type=int, default=20000)
    parser.add_argument("--rival-trials", type=int, default=3000)
    parser.add_argument("--workers", type=int, default=500)
    parser.add_argument(
        "--oracles", nargs="*", default=["random", "evolution", "ppo"]
    )
    parser.add_argument("--output", type=pathlib.Path, default=OUTPUT)
    args = parser.parse_args()
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        if args.rival_trials:
            found["KerasTuner's RandomSearch"] = in_new_process(
                run_rival, f"{folder}/rival", args.rival_trials
            )
            print_table(found)
        for oracle in args.oracles:
            here = f"{folder}/{oracle}", oracle, args.trials
            found[oracle] = in_new_process(run_search, *here)
            found[oracle] |= in_new_process(reopen, *here)
            print_table(found)
        places = [p for p in PLACES if p <= min(args.trials, 10_000)]
        found["predictor (means)"] = in_new_process(run_predictor, places)
        if args.workers:
            name = f"random, {args.workers} workers"
            found[name] = in_new_process(
                run_workers,
                *(f"{folder}/workers", "random", args.trials, args.workers),
            )
    print_table(found)
    save(args, found)


def save(args, found):
    from nasnet_keras.runs.files import write_json
    from nasnet_keras.runs.provenance import provenance

    content = {
        "cost": found,
        "trials": args.trials,
        "produced_by": provenance("keras-tuner", "scikit-learn"),
    }
    write_json(args.output, content)


if __name__ == "__main__":
    main()
