"""KerasTuner's chief and workers: the same script, started on each machine.

Its environment variables say what a process is: `KERASTUNER_ORACLE_IP` and
`KERASTUNER_ORACLE_PORT` where the chief listens, `KERASTUNER_TUNER_ID` a name
for each, `chief` for the chief. Whoever reaches the port can read proposals and
send results: it has no password and is not encrypted. At 127.0.0.1 only this
machine reaches it.

KerasTuner's protocol has 32-bit metrics and no error text. What a trial found
therefore travels as JSON, as one more value of its hyperparameters; on the way
to a worker, the same value says which search it is. A report of the metric
`alive/NAME` is a sign of life. A worker that gives none is lost: its trial is
given to another. A chief that was killed is started again; workers wait for it
for an hour.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import hashlib
import json
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import grpc
from keras_tuner.src.distribute import oracle_chief
from keras_tuner.src.distribute import utils as distribute
from keras_tuner.src.protos import get_service, get_service_grpc

from nasnet_keras.runs.files import json_text
from nasnet_keras.runs.folder import without_data_name
from nasnet_keras.search.evaluators.evaluator import EvaluatorError
from nasnet_keras.search.oracles.trials import CURVE, Status, Trial

# The value among a trial's hyperparameters that is not one.
EXTRA = "nasnet_keras/extra"
ALIVE = "alive/"
LEASE_SECONDS = 60.0
SIGNS = 4  # Of life in the time of a lease.
IDLE_SECONDS = 1.0
# Requests at a time: signs of life do not wait for the oracle.
THREADS = 8


def is_chief() -> bool:
    """Whether this process is the chief."""
    return distribute.is_chief_oracle()


def is_worker() -> bool:
    """Whether this process is a worker of a chief."""
    return distribute.has_chief_oracle() and not distribute.is_chief_oracle()


def identity(oracle: Any) -> str:
    """Returns what chief and workers must agree on, as a digest.

    Args:
        oracle: `SpaceOracle`.
    """
    known = {**oracle.core.describe(), **oracle.context}
    parts = {name: known[name] for name in ("space", "cells", *oracle.context)}
    text = json_text(without_data_name(json.loads(json_text(parts))))
    return hashlib.sha256(text.encode()).hexdigest()


# The chief.


def serve(oracle: Any, after_trial: Callable[[Any], None] | None) -> None:
    """Serves an oracle to workers until all its trials have ended.

    Args:
        oracle: `SpaceOracle`.
        after_trial: Optional function of a `Trial` that has ended.

    Raises:
        RuntimeError: If the port cannot be opened, or too many trials failed.
        EvaluatorError: If a worker can evaluate no genotype.
    """
    oracle.leases.seconds = LEASE_SECONDS
    servicer = _Servicer(oracle, after_trial)
    server = grpc.server(
        concurrent.futures.ThreadPoolExecutor(THREADS),
        options=[("grpc.so_reuseport", 0)],  # A second chief is refused.
    )
    get_service_grpc().add_OracleServicer_to_server(servicer, server)
    address = "{KERASTUNER_ORACLE_IP}:{KERASTUNER_ORACLE_PORT}".format(
        **os.environ
    )
    server.add_insecure_port(address)
    server.start()
    try:
        while not servicer.is_done():
            time.sleep(IDLE_SECONDS)
            servicer.take_back()
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
        self._identity = identity(oracle)
        self._reported = len(oracle.end_order)
        # Requests come in several threads.
        self._lock = threading.RLock()

    def is_done(self):
        """Whether all workers have been told that the search has ended."""
        if not self.oracle.finished and self.problem is None:
            return False
        if self.oracle.tuner_ids:
            return False
        waited = time.monotonic() - self._began
        return self.problem or self.stop_triggered or waited > LEASE_SECONDS

    def take_back(self):
        """Gives the trials of lost workers to others."""
        with self._kept():
            self.oracle.take_back()
            self._report()

    def CreateTrial(self, request, context):
        with self._kept():
            if self.problem is None:
                answer = super().CreateTrial(request, context)
                values = answer.trial.hyperparameters.values.values
                values[EXTRA].string_value = self._identity
                return answer
        self.oracle.forget(request.tuner_id)
        status = grpc.StatusCode.FAILED_PRECONDITION
        context.abort(status, f"The search has stopped: {self.problem}")

    def UpdateTrial(self, request, context):
        for name in request.metrics:
            if name.startswith(ALIVE):
                tuner = name.removeprefix(ALIVE)
                self.oracle.leases.renew(tuner)
                # Also of one that was lost: the chief waits for it.
                self.oracle.tuner_ids.add(tuner)
                return get_service().UpdateTrialResponse()
        return super().UpdateTrial(request, context)

    def EndTrial(self, request, context):
        trial = Trial.from_proto(request.trial)
        result = trial.hyperparameters.values.pop(EXTRA, None)
        with self._kept():
            if self._is_running(trial.trial_id) and self._is_ours(trial):
                self._end(trial, result)
        return get_service().EndTrialResponse()

    def _end(self, trial, result):
        if result is not None:
            self._take_result(trial, **json.loads(result))
        self.oracle.end_trial(trial)
        self._report()

    def _report(self):
        """Tells of the trials that have ended since the last time."""
        ended = self.oracle.end_order[self._reported :]
        self._reported += len(ended)
        for name in ended:
            if self.after_trial:
                self.after_trial(self.oracle.get_trial(name))

    def _take_result(self, trial, metrics, curve, message, fatal):
        if fatal is not None:  # Of all genotypes: this one has not failed.
            raise EvaluatorError(fatal)
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
        """One request at a time; keeps what stops the search.

        The next request of each worker is refused then.
        """
        with self._lock:
            try:
                yield
            except Exception as error:
                self.problem = self.problem or error


# The workers.


def work(
    client: Any,
    name: str,
    search: str,
    evaluate: Callable[[Any], dict[str, Any]],
) -> None:
    """Runs trials of a chief until there are no more.

    Args:
        client: `OracleClient`.
        name: String, the worker's.
        search: String, the `identity` of its search.
        evaluate: Function of a `Trial`, whose status it sets, that returns a
            dictionary of `metrics`, `curve`, `message` and `fatal`.

    Raises:
        RuntimeError: If the chief has stopped the search, does another one, or
            does not answer for an hour.
    """
    # One that is started again is another worker: its trial was lost.
    name = f"{name}-{uuid.uuid4().hex[:8]}"
    while True:
        trial = _ask(client.create_trial, name)
        if trial.hyperparameters.values.pop(EXTRA, search) != search:
            raise RuntimeError(
                "The chief does another search: its space, data or recipe "
                "differ from this worker's. Start both with the same script."
            )
        if trial.status == Status.STOPPED:
            return
        if trial.status == Status.IDLE:
            time.sleep(IDLE_SECONDS)
            continue
        with _signs_of_life(client, trial.trial_id, name):
            result = evaluate(trial)
        trial.hyperparameters.values[EXTRA] = json.dumps(result)
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
            if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
                raise RuntimeError(
                    "The chief has not answered for an hour. Either the search "
                    "has ended, or start it again."
                ) from error
            raise RuntimeError(error.details()) from error


@contextlib.contextmanager
def _signs_of_life(client: Any, trial_id: str, name: str) -> Iterator[None]:
    """While the block runs, tells the chief so."""
    ended = threading.Event()

    def tell():
        while not ended.wait(LEASE_SECONDS / SIGNS):
            with contextlib.suppress(grpc.RpcError):
                client.update_trial(trial_id, {ALIVE + name: 0.0})

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
