"""Published files of weights: fetched once, verified at every use.

A file stands in the cache under its own name only when it is whole and is
what was published. Beside `NAME` there may be `NAME.lock`, which lets one
process download while the others wait; `NAME.json`, what was recorded of a
file whose hash nobody published; and `.NAME.partial-*`, folders of downloads
that were killed, which the next one removes.
"""

import contextlib
import datetime
import errno
import gzip
import hashlib
import json
import logging
import os
import pathlib
import re
import shutil
import socket
import sys
import tarfile
import tempfile
import urllib.error
import urllib.parse
import zlib

import filelock

from nasnet_keras.runs.files import write_atomically

logger = logging.getLogger("nasnet_keras")

ARCHIVE = ".tar.gz"
# In an extracted folder: the hash of the archive that it came from.
STAMP = ".extracted_from"
BROKEN = (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError)
# EFBIG is what a limit on the size of files gives.
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# The last two: something on the way to the cache is not a folder.
UNWRITABLE = {
    *(errno.EACCES, errno.EPERM, errno.EROFS),
    *(errno.ENOTDIR, errno.EEXIST),
}


class DownloadError(RuntimeError):
    """A published file could not be had: which, why, and what to do."""


def cache_folder():
    """Returns the path of the folder that holds what was fetched.

    It is `models/nasnet_keras` in the folder that the environment variable
    `KERAS_HOME` names, or else in `~/.keras`.
    """
    home = os.environ.get("KERAS_HOME") or os.path.join("~", ".keras")
    home = pathlib.Path(home).expanduser().absolute()
    return home / "models" / "nasnet_keras"


def fetch(url, md5=None):
    """Returns a published file from the cache, downloaded if it must be.

    Processes that ask for the same file at once download it once. A file that
    is in the cache and verifies is used even if the cache cannot be written.

    Args:
        url: String, the address. Its last part names the file in the cache.
        md5: Optional string, the published MD5 in hexadecimal digits. Without
            it the SHA-256 of the first download is recorded beside the file
            (`NAME.json`; the logger `nasnet_keras` says so), and every later
            use and every later download is compared with that record.

    Returns:
        `pathlib.Path` of the verified file.

    Raises:
        ValueError: If `url` ends in no name, or `md5` is not one.
        DownloadError: If the file cannot be had.
    """
    file = _CachedFile(url, md5)
    with file.explained():
        if not file.is_good():
            with file.locked():
                file.provide()
    return file.path


def fetch_archive(url, md5=None):
    """Returns the folder of a published archive, fetched and extracted.

    The archive stays in the cache and is verified as by `fetch`. Its folder
    appears beside it whole or not at all, and is made anew when another
    archive is verified; what is changed in the folder later is not noticed.

    Args:
        url: String, the address of a `.tar.gz` file.
        md5: Optional string, the published MD5 of the archive, as in `fetch`.

    Returns:
        `pathlib.Path` of the folder, named as the archive without `.tar.gz`.

    Raises:
        ValueError: If `url` does not end in `.tar.gz`, or `md5` is not one.
        DownloadError: If the archive cannot be had or extracted.
    """
    file = _CachedFile(url, md5)
    if not file.path.name.endswith(ARCHIVE):
        raise ValueError(
            f"`url` must name a {ARCHIVE} archive. Received: url={url!r}"
        )
    folder = file.path.with_name(file.path.name.removesuffix(ARCHIVE))
    with file.explained():
        if not (file.is_good() and file.is_extracted(folder)):
            with file.locked():
                file.provide()
                if not file.is_extracted(folder):
                    file.extract(folder)
    return folder


class _CachedFile:
    """One published file and its place in the cache."""

    def __init__(self, url, md5):
        name = pathlib.PurePosixPath(urllib.parse.urlsplit(url).path).name
        if name in ("", ".."):
            raise ValueError(
                f"`url` must end in the name of a file. Received: url={url!r}"
            )
        if md5 is not None and not re.fullmatch("[0-9a-fA-F]{32}", md5):
            raise ValueError(
                "`md5` must be None or 32 hexadecimal digits. "
                f"Received: md5={md5!r}"
            )
        self.url = url
        self.md5 = md5 and md5.lower()
        self.path = cache_folder() / name
        self.record_path = self.path.with_name(f"{name}.json")
        self.record = None
        self.damage = ""
        self.first = False

    def error(self, happened, advice=None):
        """Returns a DownloadError that has all the facts."""
        advice = advice or (
            f"Download it by other means and put it at {self.path}, "
            "or pass weights=PATH."
        )
        return DownloadError(
            f"{self.path.name} cannot be used: {self.damage}{happened}.\n"
            f"Address: {self.url}\n"
            f"Expected hash: {self.describe_expected()}\n"
            f"Path in the cache: {self.path}\n"
            f"What to do: {advice}"
        )

    @contextlib.contextmanager
    def explained(self):
        """Turns errors of the system into a DownloadError."""
        try:
            yield
        except OSError as error:
            happened = f"{type(error).__name__}: {error}"
            raise self.error(happened, _advice(error)) from error

    @contextlib.contextmanager
    def locked(self):
        """Holds the lock that one process at a time can have."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(self.path.with_name(f"{self.path.name}.lock"))
        try:
            lock.acquire(blocking=False)
        except filelock.Timeout:
            logger.info(
                "Waiting for another process, which holds %s", lock.lock_file
            )
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def expected(self):
        """The algorithm and the digest that the file must have, or None."""
        if self.md5 is not None:
            return "md5", self.md5
        self.record = self.read_record()
        return self.record and ("sha256", self.record["sha256"])

    def describe_expected(self):
        if self.md5 is not None:
            return f"md5 {self.md5}"
        if self.record is None:
            return "none is published"
        return (
            "none is published; sha256 {sha256} of {size} bytes was recorded "
            "on {date} from {url}"
        ).format(**self.record)

    def read_record(self):
        """What was recorded at the first download, or None."""
        try:
            record = json.loads(self.record_path.read_text())
            return {
                key: record[key] for key in ("url", "sha256", "size", "date")
            }
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise self.error(
                f"its record {self.record_path} is damaged ({error!r})",
                f"If you trust {self.path}, or none is there, delete the "
                "record: it is then made anew. Or pass weights=PATH.",
            ) from error

    def write_record(self, path):
        """Records the hash of a file at `path`, and says so."""
        self.record = {
            "url": self.url,
            "sha256": _digest(path, "sha256"),
            "size": os.path.getsize(path),
            "date": datetime.datetime.now(datetime.UTC).isoformat(
                timespec="seconds"
            ),
        }
        text = json.dumps(self.record, indent=2) + "\n"
        write_atomically(self.record_path, text)
        logger.warning(
            "No hash of %s is published. Recorded sha256 %s of %d bytes in "
            "%s: every later use is compared with it.",
            *(self.url, self.record["sha256"], self.record["size"]),
            self.record_path,
        )

    def difference(self, path):
        """How a file at `path` differs from what is expected, or None."""
        algorithm, expected = self.expected()
        actual = _digest(path, algorithm)
        if actual == expected:
            return None
        return f"its {algorithm} is {actual}, of {os.path.getsize(path)} bytes"

    def is_good(self):
        """Whether the file is there and verifies."""
        if not self.path.is_file() or self.expected() is None:
            return False
        return self.difference(self.path) is None

    def provide(self):
        """Puts the verified file in its place. The lock must be held."""
        # Not all that wait for the lock need to download when they get it.
        if self.is_good():
            return
        if self.path.is_file():
            if self.expected() is None:
                # Put there by hand, as our errors advise.
                self.write_record(self.path)
                return
            difference = self.difference(self.path)
            self.damage = f"the cached file is damaged ({difference}), and "
            logger.warning(
                "The cached file %s is damaged (%s; expected: %s). "
                "It is downloaded again.",
                *(self.path, difference, self.describe_expected()),
            )
        self.download()

    def download(self):
        """Downloads and verifies beside the place of the file, then renames."""
        with self.temporary_folder() as temporary:
            path = self.transfer(temporary)
            self.first = self.expected() is None
            if self.first:
                # Before the rename: a file without a record is then one that
                # was put there by hand.
                self.write_record(path)
            elif difference := self.difference(path):
                raise self.error(
                    f"another file was downloaded ({difference})",
                    self.record
                    and "If it was published anew and you trust it, delete "
                    f"{self.record_path} and {self.path}. Otherwise pass "
                    "weights=PATH.",
                )
            os.replace(path, self.path)

    def transfer(self, folder):
        """Downloads into `folder`; returns the path, not yet verified."""
        import keras

        try:
            # Its progress bar goes where ours do: output is for results.
            with contextlib.redirect_stdout(sys.stderr), _patience():
                return keras.utils.get_file(
                    self.path.name,
                    self.url,
                    cache_dir=folder,
                    cache_subdir=folder,
                )
        except Exception as error:
            # Keras raises a bare Exception from the error that tells more;
            # other errors, as of the disk, come as they are.
            cause = error
            if isinstance(error.__context__, urllib.error.URLError):
                cause = error.__context__
            if isinstance(cause, urllib.error.HTTPError):
                cause.close()
            raise self.error(
                f"the download failed ({type(cause).__name__}: {cause})",
                _advice(cause),
            ) from error

    @contextlib.contextmanager
    def temporary_folder(self):
        """A folder in the cache, after those of killed processes are gone."""
        prefix = f".{self.path.name}.partial-"
        for entry in self.path.parent.iterdir():
            # We hold the lock, so nobody works in it.
            if entry.name.startswith(prefix):
                shutil.rmtree(entry, ignore_errors=True)
        with tempfile.TemporaryDirectory(
            dir=self.path.parent, prefix=prefix, ignore_cleanup_errors=True
        ) as folder:
            yield folder

    def is_extracted(self, folder):
        """Whether `folder` was made whole from the verified archive."""
        try:
            return (folder / STAMP).read_text() == " ".join(self.expected())
        except (FileNotFoundError, NotADirectoryError):
            return False

    def extract(self, folder):
        """Extracts the verified archive. The lock must be held."""
        if folder.exists() and not (folder / STAMP).is_file():
            raise self.error(
                f"{folder} is in the way and was not made from an archive",
                "Move it elsewhere, or pass weights=PATH.",
            )
        with self.temporary_folder() as temporary:
            whole = pathlib.Path(temporary, "whole")
            whole.mkdir()
            self.unpack(whole)
            (whole / STAMP).write_text(" ".join(self.expected()))
            if folder.exists():
                os.rename(folder, pathlib.Path(temporary, "old"))
            os.rename(whole, folder)

    def unpack(self, folder):
        try:
            with (
                gzip.open(self.path) as stream,
                tarfile.open(fileobj=stream, mode="r:") as archive,
            ):
                archive.extractall(folder, filter="data")
                # The checksum comes last, after what tarfile reads.
                while stream.read(1 << 20):
                    pass
        except BROKEN as error:
            happened = (
                f"the archive is broken ({type(error).__name__}: {error})"
            )
            advice = None
            if self.first:
                # A login page, perhaps: no standard for later downloads.
                self.path.unlink()
                self.record_path.unlink()
                happened += " and was not kept"
            elif self.md5 is None:
                advice = (
                    f"Delete {self.path} and {self.record_path} to download "
                    "it anew, or pass weights=PATH."
                )
            raise self.error(happened, advice) from error


def _digest(path, algorithm):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def _advice(error):
    """What to do about an error of the system; None if it is not the disk."""
    # Errors of the network have no number, or others.
    code = getattr(error, "errno", None)
    if code in FULL:
        return (
            "Free space on that disk, set KERAS_HOME to a folder on another, "
            "or pass weights=PATH."
        )
    if code in UNWRITABLE:
        return (
            "Set KERAS_HOME to a folder that can be written, or pass "
            "weights=PATH."
        )
    return None


@contextlib.contextmanager
def _patience(seconds=60):
    """A server that says nothing for so long has failed; Keras would wait."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
