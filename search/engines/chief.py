"""KerasTuner's chief and workers: the same script, started on each machine.

Its environment variables say what a process is: `KERASTUNER_ORACLE_IP` and
`KERASTUNER_ORACLE_PORT` where the chief listens, `KERASTUNER_TUNER_ID` a name
for each, `chief` for the chief. Whoever reaches the port can read proposals and
send results: it has no password and is not encrypted. At 127.0.0.1 only this
machine reaches it.

KerasTuner's protocol has 32-bit metrics and no error text. What a trial found
therefore travels as JSON, as one more value of its hyperparameters. Signs of
life are reports without metrics. A worker that gives none is lost: its trial is
given to another. A chief that was killed is started again; workers wait for it.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc
from keras_tuner.src.distribute import oracle_chief
from keras_tuner.src.distribute import utils as distribute
from keras_tuner.src.protos import get_service, get_service_grpc

from nasnet_keras.search.oracles.trials import CURVE, Status, Trial

RESULT = "nasnet_keras/result"
LEASE_SECONDS = 60.0
SIGNS = 4  # Of life in the time of a lease.
IDLE_SECONDS = 1.0
# Requests at a time; the oracle takes one after the other.
THREADS = 8


def is_chief() -> bool:
    """Whether this process is the chief."""
    return distribute.is_chief_oracle()


def is_worker() -> bool:
    """Whether this process is a worker of a chief."""
    return distribute.has_chief_oracle() and not distribute.is_chief_oracle()


# The chief.


def serve(oracle: Any, after_trial: Callable[[Any], None] | None) -> None:
    """Serves an oracle to workers until all its trials have ended.

    Args:
        oracle: `SpaceOracle`.
        after_trial: Optional function of a `Trial` that has ended.

    Raises:
        RuntimeError: If the port cannot be opened, or too many trials failed.
    """
    oracle.leases.seconds = LEASE_SECONDS
    servicer = _Servicer(oracle, after_trial)
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(THREADS))
    get_service_grpc().add_OracleServicer_to_server(servicer, server)
    address = "{KERASTUNER_ORACLE_IP}:{KERASTUNER_ORACLE_PORT}".format(
        **os.environ
    )
    server.add_insecure_port(address)
    server.start()
    try:
        while not servicer.is_done():
            time.sleep(IDLE_SECONDS)
            oracle.take_back()
    finally:
        server.stop(grace=1).wait()
    if servicer.problem is not None:
        raise servicer.problem


class _Servicer(oracle_chief.OracleServicer):
    """Answers the workers; what stops the search is kept for the chief."""

    def __init__(self, oracle, after_trial):
        super().__init__(oracle)
        self.after_trial = after_trial
        self.problem: Exception | None = None
        self._began = time.monotonic()

    def is_done(self):
        """Whether all workers have been told that the search has ended."""
        if not self.oracle.finished and self.problem is None:
            return False
        if self.oracle.tuner_ids:
            return False
        waited = time.monotonic() - self._began
        return self.problem or self.stop_triggered or waited > LEASE_SECONDS

    def CreateTrial(self, request, context):
        with self._kept():
            if self.problem is None:
                return super().CreateTrial(request, context)
        self.oracle.forget(request.tuner_id)
        status = grpc.StatusCode.FAILED_PRECONDITION
        context.abort(status, f"The search has stopped: {self.problem}")

    def UpdateTrial(self, request, context):
        if not self._is_running(request.trial_id):
            return get_service().UpdateTrialResponse()
        return super().UpdateTrial(request, context)

    def EndTrial(self, request, context):
        trial = Trial.from_proto(request.trial)
        result = trial.hyperparameters.values.pop(RESULT, None)
        if self._is_running(trial.trial_id) and self._is_ours(trial):
            with self._kept():
                self._end(trial, result)
        return get_service().EndTrialResponse()

    def _end(self, trial, result):
        if result is not None:
            self._take_result(trial, **json.loads(result))
        self.oracle.end_trial(trial)
        if self.after_trial and self.oracle.trials.has_ended(trial.trial_id):
            self.after_trial(self.oracle.get_trial(trial.trial_id))

    def _take_result(self, trial, metrics, curve, message):
        name, trial.message = trial.trial_id, message
        for epoch, accuracy in enumerate(curve):
            self.oracle.update_trial(name, {CURVE: accuracy}, step=epoch)
        if metrics:
            self.oracle.update_trial(name, metrics)

    def _is_running(self, name):
        """Not of a chief that was killed, and not already ended."""
        trials = self.oracle.trials
        return name in trials and not trials.has_ended(name)

    def _is_ours(self, trial):
        """Whether it has the values that this chief proposed."""
        ours = self.oracle.trials[trial.trial_id].hyperparameters.values
        theirs = trial.hyperparameters.values
        return all(theirs.get(name) == value for name, value in ours.items())

    @contextlib.contextmanager
    def _kept(self):
        """Keeps what stops the search: the next request of each is refused."""
        try:
            yield
        except Exception as error:
            self.problem = error


# The workers.


def work(
    client: Any, name: str, evaluate: Callable[[Any], dict[str, Any]]
) -> None:
    """Runs trials of a chief until there are no more.

    Args:
        client: `OracleClient`.
        name: String, the worker's.
        evaluate: Function of a `Trial`, whose status it sets, that returns a
            dictionary of `metrics`, `curve` and `message`.

    Raises:
        RuntimeError: If the chief has stopped the search.
    """
    while True:
        trial = _ask(client.create_trial, name)
        if trial.status == Status.STOPPED:
            return
        if trial.status == Status.IDLE:
            time.sleep(IDLE_SECONDS)
            continue
        with _signs_of_life(client, trial.trial_id):
            result = evaluate(trial)
        trial.hyperparameters.values[RESULT] = json.dumps(result)
        _ask(client.end_trial, trial)


def _ask(request, *arguments):
    """Sends a request, again if the chief was killed and started again."""
    while True:
        try:
            return request(*arguments)
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.UNAVAILABLE:
                time.sleep(IDLE_SECONDS)
                continue
            raise RuntimeError(error.details()) from error


@contextlib.contextmanager
def _signs_of_life(client: Any, trial_id: str) -> Iterator[None]:
    """While the block runs, tells the chief so."""
    ended = threading.Event()

    def tell():
        while not ended.wait(LEASE_SECONDS / SIGNS):
            with contextlib.suppress(grpc.RpcError):
                client.update_trial(trial_id, {})

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
