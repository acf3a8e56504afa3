"""Ctrl-C in every place where the main thread can be."""

import gc
import signal
import time

import pytest

from nasnet_keras.runs.interrupts import run_until_interrupted

KEPT = "All is kept."


def press(*args):
    signal.raise_signal(signal.SIGINT)


def wait_for_the_interrupt():
    until = time.monotonic() + 30
    while time.monotonic() < until:
        time.sleep(0.01)


def in_the_open():
    press()


def in_a_finalizer():
    class Held:
        __del__ = press

    Held()
    wait_for_the_interrupt()


def in_a_callback_of_the_collector():
    def callback(phase, info):
        gc.callbacks.remove(callback)
        press()

    gc.callbacks.append(callback)
    gc.collect()
    wait_for_the_interrupt()


def in_the_last_finalizer():
    class Held:
        __del__ = press

    Held()


@pytest.mark.parametrize(
    "work",
    [
        in_the_open,
        in_a_finalizer,
        in_a_callback_of_the_collector,
        in_the_last_finalizer,
    ],
)
def test_ctrl_c_is_never_lost(work, capsys):
    assert run_until_interrupted(work, KEPT) == 130
    assert capsys.readouterr().err == f"\nStopped. {KEPT}\n"


def test_work_that_ends(capsys):
    assert run_until_interrupted(lambda: None, KEPT) == 0
    assert capsys.readouterr().err == ""


def test_other_errors_are_reported_as_before(monkeypatch):
    reported = []
    monkeypatch.setattr("sys.unraisablehook", reported.append)

    def work():
        class Held:
            def __del__(self):
                raise ValueError

        Held()

    assert run_until_interrupted(work, KEPT) == 0
    assert [each.exc_type for each in reported] == [ValueError]
