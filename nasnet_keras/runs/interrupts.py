"""Ctrl-C ends a command in order, and is never lost."""

import _thread
import contextlib
import signal
import sys
import threading

INTERRUPTED = 130  # A shell's exit status after SIGINT: 128 + 2.


def run_until_interrupted(work, what_is_kept):
    """Runs the work of a command.

    Args:
        work: Callable without arguments.
        what_is_kept: Sentence for a user who presses Ctrl-C: what is left,
            and how to go on.

    Returns:
        The exit status: 0, or 130 after Ctrl-C.
    """
    try:
        with _no_interrupt_lost():
            work()
    except KeyboardInterrupt:
        print(f"\nStopped. {what_is_kept}", file=sys.stderr)
        return INTERRUPTED
    return 0


@contextlib.contextmanager
def _no_interrupt_lost():
    """Sends Ctrl-C again where Python could not raise it.

    `KeyboardInterrupt` is raised wherever the main thread happens to be. In a
    finalizer or a callback of the garbage collector (JAX has one) nothing can
    catch it: Python reports it and goes on, and the key had no effect.
    """
    report = sys.unraisablehook
    lost = []

    def hook(unraisable):
        if issubclass(unraisable.exc_type, KeyboardInterrupt):
            # Later, by another thread: here it would be lost once more.
            lost.append(threading.Timer(0.05, _thread.interrupt_main))
            lost[-1].start()
        else:
            report(unraisable)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = report
        if lost and lost[-1].is_alive():  # The work ended before it came.
            lost[-1].cancel()
            raise KeyboardInterrupt


@contextlib.contextmanager
def uninterrupted():
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
