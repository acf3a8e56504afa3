"""The lock of a folder, with real processes."""

import errno
import fcntl
import os
import pathlib
import tempfile

import pytest

from nasnet_keras.runs import lock as lock_module
from nasnet_keras.runs.lock import LOCK, FolderInUseError, FolderLock
from tests.support.locks import another_process_in


def test_one_process_at_a_time(tmp_path):
    folder = tmp_path / "run"
    with another_process_in(folder):
        with pytest.raises(FolderInUseError, match="Another process works in"):
            FolderLock(folder).acquire()
        assert [path.name for path in folder.iterdir()] == [LOCK]
    with FolderLock(folder):
        pass
    assert list(folder.iterdir()) == []


def test_a_lock_of_a_killed_process_is_no_obstacle(tmp_path):
    with another_process_in(tmp_path) as process:
        process.kill()
        process.wait()
        assert (tmp_path / LOCK).exists()
        with FolderLock(tmp_path):
            assert (tmp_path / LOCK).exists()
        assert not (tmp_path / LOCK).exists()


def test_the_process_that_has_it_may_take_it_again(tmp_path):
    with FolderLock(tmp_path):
        with FolderLock(tmp_path / "." / "."):
            pass
        with pytest.raises(AssertionError), another_process_in(tmp_path):
            pass  # It could not: the outer one is still held.
    with another_process_in(tmp_path):
        pass


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP])
def test_a_file_system_without_locks(tmp_path, monkeypatch, number):
    def flock(file, operation):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.warns(RuntimeWarning, match="cannot lock files"):  # noqa: SIM117
        with FolderLock(tmp_path):
            assert (tmp_path / LOCK).exists()


def test_another_error_is_none_of_these(tmp_path):
    (tmp_path / LOCK).mkdir()
    with pytest.raises(IsADirectoryError):
        FolderLock(tmp_path).acquire()


def test_a_link_as_lock_is_not_followed(tmp_path):
    (tmp_path / LOCK).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        FolderLock(tmp_path).acquire()
    assert not (tmp_path / "elsewhere").exists()


def test_what_killed_processes_left_is_removed(tmp_path):
    kept = [tmp_path / ".mine.abcd1234", tmp_path / ".hidden"]
    for path in kept:
        path.mkdir()
        (path / "other").write_text("mine")
    for name in ("config.json", "epoch_0001.keras"):
        left = tempfile.mkdtemp(dir=tmp_path, prefix=f".{name}.")
        with open(os.path.join(left, name), "w") as file:
            file.write("half of the ne")
    tempfile.mkdtemp(dir=tmp_path, prefix=".best.json.")  # Still empty.
    with FolderLock(tmp_path):
        pass
    assert sorted(tmp_path.iterdir()) == sorted(kept)


def test_where_open_files_cannot_be_removed(tmp_path, monkeypatch):
    """On Windows, which cannot lock either; here by a stand-in for `unlink`."""
    opened = []
    real_open, unlink = lock_module._open_locked, pathlib.Path.unlink

    def remember(folder):
        opened.append(real_open(folder))
        return opened[-1]

    def unlink_closed(path, missing_ok=False):
        if not all(file.closed for file in opened):
            raise PermissionError(f"{path} is open")
        unlink(path, missing_ok)

    monkeypatch.setattr(lock_module, "fcntl", None)
    monkeypatch.setattr(lock_module, "_open_locked", remember)
    monkeypatch.setattr(pathlib.Path, "unlink", unlink_closed)
    warned = pytest.warns(RuntimeWarning, match="cannot lock files")
    with warned, FolderLock(tmp_path):
        assert opened
    assert not list(tmp_path.iterdir())
