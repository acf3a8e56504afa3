"""Two starts in one new folder, and kills before every step in a folder.

    python benchmarks/races.py

Runs `nasnet search` and `nasnet train` in processes of their own. Their
evaluator and their network are replaced by tiny ones, so that most of the time
goes to files.

- races: two processes with different seeds start at once. One must run, the
  other must say that it may not; all files must be of the one that ran.
- kills: a process is killed before its n-th open for writing, rename, mkdir or
  remove in the folder, for n = 1, 2, ... The same command must then give what
  an uninterrupted one gives, and leave no temporary file.

Prints the counts and writes its JSON to `benchmarks/results/`. The status is 1
if a count of failures is not 0.
"""

import argparse
import json
import os
import pathlib
import signal
import sys
import tempfile
import traceback

import keras

from nasnet_keras import visualize
from nasnet_keras.cli.main import main as nasnet
from nasnet_keras.model_files import read_about
from nasnet_keras.runs.files import is_temporary, write_atomically, write_json
from nasnet_keras.runs.lock import LOCK
from nasnet_keras.runs.provenance import provenance
from nasnet_keras.search import results
from nasnet_keras.search.commands import session as search_session
from nasnet_keras.search.evaluators.from_scratch import TrainFromScratch
from nasnet_keras.search.oracles.journal import parse_lines
from nasnet_keras.training import session
from nasnet_keras.training.curves import read_history
from nasnet_keras.training.data import load_dataset

OUTPUT = pathlib.Path(__file__).parent / "results" / "races.json"
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
# Audit events of Python; the path is their first argument.
STEPS = ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir")
SEARCH = (
    "search --data digits --image-size 8 --images 100 --oracle random --blocks "
    "1 --trials 3 --trials-per-process 0 --filters 2 --no-compare"
)
TRAIN = (
    "train --data digits --image-size 8 --images 100 --batch-size 45 "
    "--epochs 2 --recipe cifar10_short --drop-path-rate 0 --precision float32"
)
COMMANDS = {"search": SEARCH.split(), "training": TRAIN.split()}


def compute(self, genotype, **settings):
    """An accuracy that depends on the cell, in microseconds."""
    return {"val_accuracy": sum(map(ord, repr(genotype))) % 100 / 100}, [0.5]


def tiny_network(preset, recipe, dataset, **options):
    """A network that compiles in a second."""
    inputs = keras.Input((None, None, 3))
    x = keras.layers.GlobalAveragePooling2D()(inputs / 255)
    outputs = keras.layers.Dense(10, "softmax", name="predictions")(x)
    return keras.Model(inputs, outputs)


def draw(content, path, baseline=None):
    """Writes a picture as quickly as possible."""
    write_atomically(path, b"a picture")


def make_tiny():
    """Replaces what takes long; imports what the processes need."""
    TrainFromScratch.compute = compute
    search_session._print_imagenet_networks = lambda genotype: None
    session.build_for_recipe = tiny_network
    results.plot_genotype = results.plot_rewards = draw
    visualize.plot_curves = draw
    load_dataset("digits", image_size=8)


class Process:
    """A command in a process of its own; a fork, which starts at once.

    Args:
        words: List of strings, the command.
        folder: Path of its folder.
        start: Optional file descriptor: the command waits for a byte from it.
        kill_before: Integer, the step in the folder before which it is killed;
            0 for none.
    """

    def __init__(self, words, folder, start=None, kill_before=0):
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115
        sys.stdout.flush()
        self.id = os.fork()
        if not self.id:
            self._run([*words, "--directory", str(folder)], start, kill_before)

    def _run(self, words, start, kill_before):
        status = 70
        try:
            os.dup2(self.errors.fileno(), 2)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
            if kill_before:
                kill_at(words[-1], kill_before)
            if start is not None:
                os.read(start, 1)
            status = nasnet(words)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)

    def wait(self):
        """Returns the exit status (negative: a signal) and standard error."""
        status = os.waitstatus_to_exitcode(os.waitpid(self.id, 0)[1])
        self.errors.seek(0)
        return status, self.errors.read()


def kill_at(folder, number):
    """Kills this process before its step of a number in a folder."""
    left = number

    def hook(event, arguments):
        nonlocal left
        if event not in STEPS or not str(arguments[0]).startswith(folder):
            return
        if event == "open" and not (arguments[2] or 0) & WRITING:
            return
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def outcome(kind, folder):
    """What a run gave, without times: equal runs give equal outcomes."""
    if kind == "search":
        journal = folder / "trials.jsonl"
        records = parse_lines(journal.read_bytes(), journal)
        return [(r["trial"], r["score"], r["values"]) for r in records]
    rows = read_history(folder / "history.csv")
    return [(r["epoch"], round(r["loss"], 4)) for r in rows]


def seeds(kind, folder):
    """The seeds that the files of a run name."""

    def read(name):
        return json.loads((folder / name).read_text())

    if kind == "search":
        configuration = read("best.json")["produced_by"]["configuration"]
        found = (read("config.json"), read("arguments.json"), configuration)
    else:
        found = (
            read("run.json")["configuration"],
            read_about(folder / "model.keras"),
        )
    return {each["seed"] for each in found}


def left_over(folder):
    """Names of temporary files in a folder and below it."""
    paths = folder.rglob("*")
    return [p.name for p in paths if is_temporary(p) or p.name == LOCK]


def whole(kind, folder, seed):
    """The outcome of an uninterrupted run."""
    words = [*COMMANDS[kind], "--seed", str(seed)]
    status, errors = Process(words, folder).wait()
    assert status == 0, errors
    return outcome(kind, folder)


def race(kind, folder, expected):
    """Starts two processes at once; returns what is wrong, or `None`."""
    reading, writing = os.pipe()
    processes = [
        Process([*COMMANDS[kind], "--seed", str(seed)], folder, reading)
        for seed in expected
    ]
    os.write(writing, b"go")
    ended = [process.wait() for process in processes]
    for end in (reading, writing):
        os.close(end)
    statuses = [status for status, _ in ended]
    if sorted(map(bool, statuses)) != [False, True]:
        return f"exit statuses {statuses}: {ended}"
    refused = ended[statuses.index(max(statuses))]
    lines = refused[1].splitlines()
    if refused[0] not in (1, 2) or "nother" not in lines[0]:
        return f"the second process: {refused}"
    seed = list(expected)[statuses.index(0)]
    if seeds(kind, folder) != {seed} or outcome(kind, folder) != expected[seed]:
        return f"mixed: {seeds(kind, folder)} in the files, {seed} ran"
    return left_over(folder) or None


def kill(kind, folder, number, expected):
    """Kills at a step and runs again.

    Returns:
        Pair: whether there was such a step; what is wrong, or `None`.
    """
    words = [*COMMANDS[kind], "--seed", "1"]
    status, errors = Process(words, folder, kill_before=number).wait()
    if status == 0:
        return False, None
    if status != -signal.SIGKILL:
        return True, f"exit status {status}: {errors}"
    status, errors = Process(words, folder).wait()
    if status:
        return True, f"step {number}, then exit status {status}: {errors}"
    if outcome(kind, folder) != expected:
        return True, f"step {number}, then {outcome(kind, folder)}"
    return True, left_over(folder) or None


def races_of(kind, rounds):
    """Returns the failures in a number of races."""
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        expected = {s: whole(kind, root / f"whole{s}", s) for s in (1, 2)}
        found = [race(kind, root / f"{i}", expected) for i in range(rounds)]
    return [problem for problem in found if problem]


def kills_of(kind, every):
    """Returns the number of kills, and the failures after them."""
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        expected = whole(kind, root / "whole", 1)
        number, kills, failures = 1, 0, []
        while True:
            folder = root / f"{number}" / "run"
            existed, problem = kill(kind, folder, number, expected)
            if not existed:
                return kills, failures
            kills += 1
            failures += [problem] if problem else []
            number += every


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument(
        "--every", type=int, default=1, help="kill before every n-th step only"
    )
    parser.add_argument(
        "--kind", choices=COMMANDS, action="append", help="default: both"
    )
    parser.add_argument("--output", type=pathlib.Path, default=OUTPUT)
    args = parser.parse_args()
    make_tiny()
    found = {}
    print(
        "| kind | races | failures | kills | failures |\n|---|---|---|---|---|"
    )
    for kind in args.kind or COMMANDS:
        races = races_of(kind, args.rounds)
        kills, failures = kills_of(kind, args.every)
        found[kind] = {
            "races": args.rounds,
            "failures_of_races": races,
            "kills": kills,
            "failures_after_kills": failures,
        }
        print(
            f"| {kind} | {args.rounds} | {len(races)} | {kills} | "
            f"{len(failures)} |",
            flush=True,
        )
        for problem in [*races, *failures]:
            print(problem, file=sys.stderr)
    write_json(args.output, {**found, "produced_by": provenance("keras-tuner")})
    return int(
        any(
            each["failures_of_races"] or each["failures_after_kills"]
            for each in found.values()
        )
    )


if __name__ == "__main__":
    sys.exit(main())
