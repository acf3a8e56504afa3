"""What a user sees of an error: a line, and the exit status."""

import contextlib
import json
import os
import select
import sys

WRONG_INPUT, FAILED = 2, 1
OUTPUT_CLOSED = 141  # A shell's exit status after SIGPIPE: 128 + 13.
EXPECTED = (ValueError, OSError, ImportError)
# Of TensorFlow and torch.
OUT_OF_MEMORY = ("ResourceExhaustedError", "OutOfMemoryError")
# Errors of values whose messages do not say which file or argument is meant.
UNEXPLAINED = (UnicodeError, json.JSONDecodeError)


def report(command: str, error: Exception, libraries_said: str) -> int:
    """Prints an error on standard error.

    Wrong input and failures that we expect have a message of their own; of
    any other error the kind is named, and how to see where it comes from.

    Args:
        command: String, the subcommand.
        error: The exception.
        libraries_said: String, what libraries wrote to standard error; shown
            with an error that we do not expect.

    Returns:
        The exit status: 2 for wrong input, 1 if the work failed, 141 if
        nobody reads the output.
    """
    if isinstance(error, BrokenPipeError) and _output_is_closed():
        return OUTPUT_CLOSED
    said, explained = "", _explain(error)
    if explained is None:
        said, explained = libraries_said, (_internal(command, error), FAILED)
    text, status = explained
    with contextlib.suppress(BrokenPipeError):
        print(f"{said}nasnet {command}: {text}", file=sys.stderr)
    return status


def _explain(error: Exception) -> tuple[str, int] | None:
    """The message and exit status of an expected error, else `None`."""
    kind = type(error)
    if isinstance(error, EXPECTED) and not isinstance(error, UNEXPLAINED):
        return str(error) or kind.__name__, WRONG_INPUT
    if isinstance(error, MemoryError) or kind.__name__ in OUT_OF_MEMORY:
        return f"not enough memory. {_first_line(error)}".rstrip(), FAILED
    ours = kind.__module__.startswith("nasnet_keras.")
    if isinstance(error, RuntimeError) and (ours or kind is RuntimeError):
        return str(error), FAILED
    return None


def _internal(command: str, error: Exception) -> str:
    return (
        f"internal error: {type(error).__name__}: {_first_line(error)} "
        f"(nasnet --debug {command} ... shows where)"
    )


def _first_line(error: Exception) -> str:
    first, *_ = str(error).strip().splitlines() or [""]
    return first


def _output_is_closed() -> bool:
    """Whether nobody reads standard output; it is then silenced.

    It may also be another pipe that broke, that to a worker.
    """
    output = select.poll()
    output.register(sys.stdout.fileno(), 0)
    if not output.poll(0):
        return False
    # Python flushes once more at the end.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return True
