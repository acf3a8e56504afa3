"""Ctrl-C: ends a command cleanly and is never ignored."""

import _thread
import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator

INTERRUPTED = 130  # A shell's exit status after SIGINT: 128 + 2.


def run_until_interrupted(work: Callable[[], object], advice: str) -> int:
    """Runs the work of a command.

    Args:
        work: Callable without arguments.
        advice: Sentence printed after Ctrl-C: what was saved, and how to
            resume.

    Returns:
        The exit status: 0, or 130 after Ctrl-C.
    """
    try:
        with _repeat_lost_interrupts():
            work()
    except KeyboardInterrupt:
        print(f"\nStopped. {advice}", file=sys.stderr)
        return INTERRUPTED
    return 0


@contextlib.contextmanager
def _repeat_lost_interrupts():
    """Sends Ctrl-C again if Python could not raise it.

    `KeyboardInterrupt` is raised wherever the main thread is. In a finalizer
    or a callback of the garbage collector (JAX has one) nothing can catch it:
    Python reports it and continues, so that the key has no effect.
    """
    report = sys.unraisablehook
    lost = []

    def hook(unraisable):
        if issubclass(unraisable.exc_type, KeyboardInterrupt):
            # Later and in another thread: here it would be lost again.
            lost.append(threading.Timer(0.05, _thread.interrupt_main))
            lost[-1].start()
        else:
            report(unraisable)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = report
        if lost and lost[-1].is_alive():  # The work ended before it fired.
            lost[-1].cancel()
            raise KeyboardInterrupt


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Delays Ctrl-C until the block has ended.

    Files and the state in memory then stay consistent: a search that is
    stopped still writes its results.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # Python raises KeyboardInterrupt in the main thread only.
        return
    pressed = []
    before = signal.signal(signal.SIGINT, lambda *args: pressed.append(args))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed:
        raise KeyboardInterrupt
