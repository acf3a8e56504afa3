"""The lock of a folder: one process works there at a time."""

import contextlib
import errno
import os
import pathlib
import threading
import warnings
from types import TracebackType
from typing import Any

from nasnet_keras.runs.files import remove_temporaries

try:
    import fcntl
except ImportError:  # Windows.
    fcntl = None  # type: ignore[assignment]

LOCK = ".lock"


class FolderInUseError(RuntimeError):
    """Another process works in the folder."""


class FolderLock:
    """Locks a folder against other processes; a context manager.

    The operating system frees the lock when the process ends, however it
    ends. In the process that holds it, it can be taken again: a command locks
    its folder, and so do the functions that it calls. Once it is taken, the
    temporary files of killed processes are removed.

    Where the file system cannot lock, a warning says so and the work goes on.

    Args:
        folder: Path. It is made if absent.

    Raises:
        FolderInUseError: When taken, if another process has it.
    """

    # What this process holds: resolved path -> open file, times taken.
    _held: dict[pathlib.Path, list[Any]] = {}
    _guard = threading.RLock()  # A finalizer may run within `acquire`.

    def __init__(self, folder: str | os.PathLike[str]):
        self._path: pathlib.Path | None = None
        self.folder = pathlib.Path(folder)

    def acquire(self) -> None:
        """Takes the lock; returns at once."""
        with self._guard:
            self.folder.mkdir(parents=True, exist_ok=True)
            path = self.folder.resolve()
            if path in self._held:
                self._held[path][1] += 1
            else:
                self._held[path] = [_open_locked(path), 1]
                remove_temporaries(path)
            self._path = path

    def release(self) -> None:
        """Frees the lock, unless it is still needed in this process."""
        with self._guard:
            if self._path is None:
                return
            held, path = self._held[self._path], self._path
            self._path = None
            held[1] -= 1
            if not held[1]:
                del self._held[path]
                if fcntl is None:  # Windows removes no open file.
                    held[0].close()
                # Removed while it is locked: see `_open_locked`.
                with contextlib.suppress(PermissionError):
                    (path / LOCK).unlink(missing_ok=True)
                held[0].close()

    def __enter__(self) -> "FolderLock":
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()

    def __del__(self) -> None:
        self.release()


def _open_locked(folder):
    """Returns the open and locked file of a folder.

    Between opening and locking, the process that had the lock may have removed
    the file or the folder: then there is a new one to lock.
    """
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            file = open(folder / LOCK, "r+b", opener=_open)  # noqa: SIM115
        except FileNotFoundError:
            continue
        try:
            if not lock(file):
                raise FolderInUseError(
                    f"Another process works in {folder}. Wait for its end, or "
                    "give another folder."
                )
            if _is_at(file, folder / LOCK):
                return file
        except BaseException:
            file.close()
            raise
        file.close()


def _open(path, flags):
    """Opens or makes a file. No link to a file elsewhere is followed."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    return os.open(path, flags, 0o644)


def _is_at(file, path):
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except FileNotFoundError:
        return False


def lock(file: Any) -> bool:
    """Locks an open file. Returns `False` if another process has it locked."""
    try:
        if fcntl is None:
            raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        warnings.warn(
            f"The file system of {file.name} cannot lock files ({error}): make "
            "sure yourself that no other process works in this folder.",
            RuntimeWarning,
            stacklevel=2,
        )
    return True
