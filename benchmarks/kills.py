"""Searches whose processes are killed at random moments, on every engine.

    python benchmarks/kills.py local --rounds 100
    python benchmarks/kills.py ray --rounds 30
    python benchmarks/kills.py chief --rounds 10

A search by PPO with two workers, whose children sleep. In each round one of its
processes gets a SIGKILL: the driver (or chief), which is then started again, or
a worker; every second round waits until there is a worker. After each round the
journal must begin with what it held before, no trial may be in it twice, and no
process may be left of a driver that died. In the end the search runs to its
last trial, all must have ended, and the policy that follows from the journal
alone must be the one that the search had.

Rounds that are known are not run again. Writes
`benchmarks/results/kills.json`; the status is 1 if something was wrong.
"""

import argparse
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time

OUTPUT = pathlib.Path(__file__).parent / "results" / "kills.json"
MANY = 1_000_000
LONGEST = 25.0  # Seconds until a kill; a start takes a third of it or more.
LEASE = 3.0


# The search, in a process of its own.


def serve(engine, folder, trials):
    """Runs or resumes the search."""
    from nasnet_keras.search import Isolated, OnRay, search
    from nasnet_keras.search.engines import chief

    chief.LEASE_SECONDS = LEASE
    evaluator = make_evaluator()
    if engine == "local":
        evaluator = Isolated(evaluator, workers=2)
    if engine == "ray":
        evaluator = OnRay(
            evaluator,
            num_cpus=2,
            object_store_memory=80_000_000,
            _temp_dir=str(folder / "ray"),
        )
    space = make_space()
    search(None, folder / "run", trials, space, "ppo", evaluator)


def make_space():
    from nasnet_keras.search import NASNetSpace

    return NASNetSpace(2)


def make_evaluator():
    """Returns an evaluator of a moment, whose reward follows from the cell."""
    from kills_evaluator import Sleeping

    return Sleeping()


# The benchmark.


class Search:
    """The processes of a search.

    Args:
        engine: `"local"`, `"ray"` or `"chief"`.
        folder: Path.
    """

    def __init__(self, engine, folder):
        self.engine = engine
        self.first = "chief" if engine == "chief" else "driver"
        self.folder = folder
        self.names = 0
        self.processes = {}
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]

    def start(self, trials=MANY):
        """Starts what is not running."""
        if self.first not in self.processes:
            self.processes[self.first] = self._run(self.first, trials)
        if self.engine != "chief":
            return
        while len(self.processes) < 3:
            self.names += 1
            name = f"worker{self.names}"
            self.processes[name] = self._run(name, trials)

    def _run(self, name, trials):
        environment = {**os.environ, "KERAS_BACKEND": "jax"}
        environment["HOME"] = str(self.folder)
        if self.engine == "chief":
            environment |= {
                "KERASTUNER_ORACLE_IP": "127.0.0.1",
                "KERASTUNER_ORACLE_PORT": str(self.port),
                "KERASTUNER_TUNER_ID": name,
            }
        words = [__file__, self.engine, "--serve", self.folder, trials]
        with (self.folder / "log").open("a") as log:
            return subprocess.Popen(
                [sys.executable, *map(str, words)],
                env=environment,
                stdout=log,
                stderr=log,
            )

    def kill(self, rng):
        """Kills a process; returns what it was."""
        import psutil

        # The first one, driver or chief, as often as all workers together.
        others = [name for name in self.processes if name != self.first]
        name = rng.choice([self.first, rng.choice(others or [self.first])])
        workers = self._workers()
        if self.engine != "chief" and workers and rng.random() < 0.5:
            try:
                rng.choice(workers).kill()
            except psutil.NoSuchProcess:
                return "nothing"
            return "worker"
        process = self.processes.pop(name)
        left = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGKILL)
        process.wait()
        _, alive = psutil.wait_procs(left, timeout=180)
        if alive:
            raise RuntimeError(f"{alive} outlived the {name}")
        return name.rstrip("0123456789")

    def _workers(self):
        """The processes that evaluate children for the driver."""
        import psutil

        if self.engine == "chief":
            return []
        marks = {"local": "spawn_main", "ray": "ray::_Served"}
        driver = psutil.Process(self.processes["driver"].pid)
        found = []
        for process in driver.children(recursive=True):
            try:
                line = " ".join(process.cmdline())
            except psutil.NoSuchProcess:
                continue
            if marks[self.engine] in line:
                found.append(process)
        return found

    def wait_for_a_worker(self, seconds=180):
        """Waits until a child can be evaluated."""
        until = time.monotonic() + seconds
        while self.engine != "chief" and not self._workers():
            self.check_running()
            if time.monotonic() > until:
                raise RuntimeError(f"no worker after {seconds} s")
            time.sleep(0.2)

    def check_running(self):
        for name, process in self.processes.items():
            if process.poll() is not None:
                log = (self.folder / "log").read_text()[-3000:]
                raise RuntimeError(f"{name} has ended:\n{log}")

    def finish(self, trials):
        """Runs the search to its last trial."""
        for process in self.processes.values():
            process.kill()
            process.wait()
        self.processes.clear()
        self.start(trials)
        for name, process in self.processes.items():
            if process.wait(600):
                log = (self.folder / "log").read_text()[-3000:]
                raise RuntimeError(f"{name} failed:\n{log}")

    def end(self):
        for process in self.processes.values():
            process.kill()

    def records(self):
        from nasnet_keras.search.oracles.journal import parse_lines

        path = self.folder / "run" / "trials.jsonl"
        content = path.read_bytes() if path.is_file() else b""
        return parse_lines(content[: content.rfind(b"\n") + 1], path)


def check(before, after):
    """Raises an error if a journal is not what it must be."""
    if after[: len(before)] != before:
        raise RuntimeError("the journal has changed")
    numbers = [record["trial"] for record in after]
    if len(set(numbers)) < len(numbers):
        raise RuntimeError("a trial has ended twice")
    for record in after[len(before) :]:
        lost = "ended 2 times" in record.get("message", "")
        if record["status"] != "COMPLETED" and not lost:
            raise RuntimeError(f"trial {record['trial']}: {record}")


def check_policy(folder, trials):
    """Raises an error if the journal gives another policy than the search."""
    import keras
    import numpy as np

    weights = []
    for _ in range(2):
        oracle = open_oracle(folder, trials)
        oracle.restore()
        oracle.create_trial("tuner")
        oracle.algorithm.learn()
        learner = oracle.algorithm.learner
        policy = learner.controller.model.trainable_variables
        policy = [keras.ops.convert_to_numpy(part) for part in policy]
        weights.append((learner.updates, policy))
        oracle.close()
        (folder / "controller.npz").unlink(missing_ok=True)
    (updates, ours), (again, theirs) = weights
    if updates != again or not all(map(np.array_equal, ours, theirs)):
        most = max(np.abs(a - b).max() for a, b in zip(ours, theirs))
        raise RuntimeError(
            f"{updates} and {again} updates; weights differ by up to {most}"
        )
    return updates


def open_oracle(folder, trials):
    """Returns the oracle of the search, without an evaluator."""
    import keras_tuner

    from nasnet_keras.search import PPOOracle

    oracle = PPOOracle(
        make_space(),
        max_trials=trials + 1,
        objective=keras_tuner.Objective("reward", "max"),
        context=make_evaluator().describe(),
    )
    oracle.verbose = 0
    oracle.folder = folder
    return oracle


def run_rounds(engine, rounds, seed, report):
    """Kills in so many rounds; returns what was checked in the end."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory(
        prefix="k", ignore_cleanup_errors=True
    ) as name:
        search, before = Search(engine, pathlib.Path(name)), []
        try:
            search.start()
            for number in range(rounds):
                if number % 2:
                    search.wait_for_a_worker()
                after = rng.uniform(0, LONGEST)
                time.sleep(after)
                search.check_running()
                killed = search.kill(rng)
                now = search.records()
                check(before, now)
                report({"killed": killed, "after": round(after, 2)}, len(now))
                before = now
                search.start()
            trials = max([0, *(r["trial"] for r in before)]) + 6
            search.finish(trials)
            last = search.records()
            check(before, last)
            if sorted(r["trial"] for r in last) != list(range(trials)):
                raise RuntimeError("not all trials have ended")
            updates = check_policy(search.folder / "run", trials)
        finally:
            search.end()
    return {"trials": trials, "policy_updates": updates}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("engine", choices=("local", "ray", "chief"))
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--at-once", type=int, default=25)
    parser.add_argument("--serve", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--output", type=pathlib.Path, default=OUTPUT)
    args = parser.parse_args()
    if args.serve:
        folder, trials = args.serve
        serve(args.engine, pathlib.Path(folder), int(trials))
        return
    # The policy is checked on the backend that learned it.
    os.environ["KERAS_BACKEND"] = "jax"
    found = read(args.output)
    own = found.setdefault(args.engine, {"searches": []})["searches"]
    while (done := sum(len(s["rounds"]) for s in own)) < args.rounds:
        one = {"rounds": [], "problem": None}

        def report(row, trials, one=one, done=done):
            one["rounds"].append(row)
            number = done + len(one["rounds"])
            print(f"{args.engine} {number}: {row}, {trials} ended", flush=True)

        try:
            some = min(args.at_once, args.rounds - done)
            one |= run_rounds(args.engine, some, done, report)
        except Exception as error:
            one["problem"] = f"{type(error).__name__}: {error}"
        own.append(one)
        save(args.output, found)
        if one["problem"]:
            sys.exit(f"{args.engine}: {one['problem']}")
    ended = sum(s["trials"] for s in own)
    print(f"{args.engine}: {args.rounds} kills, {ended} trials, none wrong")


def read(path):
    from nasnet_keras.runs.files import read_json

    return read_json(path)["engines"] if path.is_file() else {}


def save(path, found):
    from nasnet_keras.runs.files import write_json
    from nasnet_keras.runs.provenance import provenance

    produced = provenance("keras-tuner", "ray")
    write_json(path, {"engines": found, "produced_by": produced})


if __name__ == "__main__":
    main()
