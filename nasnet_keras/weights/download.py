"""Published weights files: downloaded once, verified at every use.

A file gets its name in the cache only once it is complete and verified.
Beside `NAME` there may be `NAME.lock`, which lets one process download while
the others wait; `NAME.json`, the record of a file whose hash was not
published; and `.NAME.partial-*`, folders of downloads that were killed, which
the next download removes.
"""

import contextlib
import datetime
import errno
import hashlib
import http.client
import json
import logging
import os
import pathlib
import re
import shutil
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request

import filelock

from nasnet_keras.runs.files import write_atomically

logger = logging.getLogger("nasnet_keras")

# EFBIG: a limit on the size of files.
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# The last two: a part of the cache's path is not a folder.
UNWRITABLE = {
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOTDIR,
    errno.EEXIST,
}
TIMEOUT = 60  # Seconds without a byte after which a download fails.
PIECE = 1 << 16  # Bytes.


class DownloadError(RuntimeError):
    """A published file is not available; the message says what to do."""


def cache_folder() -> pathlib.Path:
    """Returns the path of the folder for downloaded files.

    It is `models/nasnet_keras` in the folder that the environment variable
    `KERAS_HOME` names, or else in `~/.keras`.
    """
    home = os.environ.get("KERAS_HOME") or os.path.join("~", ".keras")
    folder = pathlib.Path(home).expanduser().absolute()
    return folder / "models" / "nasnet_keras"


def fetch(url: str, md5: str | None = None) -> pathlib.Path:
    """Returns a published file from the cache; downloads it if necessary.

    Processes that ask for the same file at once download it once. A verified
    file in the cache is used even if the cache cannot be written.

    The way to a file without a published hash is encrypted, and no server may
    redirect from an encrypted way to another one.

    Args:
        url: String, the address. Its last part names the file in the cache.
        md5: Optional string, the published MD5 in hexadecimal digits. Without
            it the SHA-256 of the first download is recorded beside the file
            (`NAME.json`; the logger `nasnet_keras` says so), and every later
            use and every later download is compared with that record.

    Returns:
        `pathlib.Path` of the verified file.

    Raises:
        ValueError: If `url` ends in no name, or `md5` is no MD5.
        DownloadError: If the file can be neither found nor downloaded.
    """
    file = CachedFile(url, md5)
    with file.explained():
        if not file.is_good():
            with file.locked():
                file.provide()
    return file.path


class CachedFile:
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
        """Returns a DownloadError with address, hash, path and advice."""
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
        """Turns operating system errors into a DownloadError."""
        try:
            yield
        except OSError as error:
            happened = f"{type(error).__name__}: {error}"
            raise self.error(happened, _advice(error)) from error

    @contextlib.contextmanager
    def locked(self):
        """Holds the lock that lets one process at a time download."""
        make_folder(self.path.parent)
        path = self.path.with_name(f"{self.path.name}.lock")
        lock = filelock.FileLock(path, mode=0o644)
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
        """Returns the algorithm and the digest expected, or None."""
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
        """Returns the record of the first download, or None."""
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
            self.url,
            self.record["sha256"],
            self.record["size"],
            self.record_path,
        )

    def difference(self, path):
        """Describes how the hash of `path` differs; None if it does not."""
        algorithm, expected = self.expected()
        actual = _digest(path, algorithm)
        if actual == expected:
            return None
        return f"its {algorithm} is {actual}, of {os.path.getsize(path)} bytes"

    def is_good(self):
        """Whether the file is in the cache and verified."""
        if not self.path.is_file() or self.expected() is None:
            return False
        return self.difference(self.path) is None

    def provide(self):
        """Makes the verified file available. The lock must be held."""
        # Another process may have downloaded it while this one waited.
        if self.is_good():
            return
        if self.path.is_file():
            if self.expected() is None:
                # The user put it there, as our errors advise.
                self.write_record(self.path)
                return
            difference = self.difference(self.path)
            self.damage = f"the cached file is damaged ({difference}), and "
            logger.warning(
                "The cached file %s is damaged (%s; expected: %s). "
                "It is downloaded again.",
                self.path,
                difference,
                self.describe_expected(),
            )
        self.download()

    def download(self):
        """Downloads and verifies in a temporary folder, then renames.

        Not by `runs.files.replacing`: what a killed process leaves must be
        found and removed, which `temporary_folder` does.
        """
        with self.temporary_folder() as temporary:
            path = self.transfer(temporary)
            self.first = self.expected() is None
            if self.first:
                # Before the rename, so that a file without a record is one
                # that the user put there.
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
        if self.md5 is None and not _is_private(self.url):
            raise self.error(
                "no hash is published, and its address is not https: on such "
                "a way anyone could replace it"
            )
        path = pathlib.Path(folder, self.path.name)
        try:
            _copy(self.url, path)
        except (OSError, ValueError, http.client.HTTPException) as error:
            if isinstance(error, urllib.error.HTTPError):
                error.close()
            raise self.error(
                f"the download failed ({type(error).__name__}: {error})",
                _advice(error),
            ) from error
        path.chmod(0o644)
        return path

    @contextlib.contextmanager
    def temporary_folder(self):
        """A temporary folder in the cache; removes those of killed runs."""
        prefix = f".{self.path.name}.partial-"
        for entry in self.path.parent.iterdir():
            # We hold the lock: no other process uses it.
            if entry.name.startswith(prefix):
                shutil.rmtree(entry, ignore_errors=True)
        with tempfile.TemporaryDirectory(
            dir=self.path.parent, prefix=prefix, ignore_cleanup_errors=True
        ) as folder:
            yield folder


def _digest(path, algorithm):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def _advice(error):
    """Returns advice for errors of the disk, None for others."""
    # Network errors have no number, or other ones.
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


class _NoDowngrade(urllib.request.HTTPRedirectHandler):
    """Follows no redirection from an encrypted way to another one."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        if _is_private(req.full_url) and not _is_private(newurl):
            fp.close()
            raise urllib.error.URLError(
                f"{req.full_url} redirects to {newurl}, which is not https"
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _is_private(url):
    """Whether nobody on the way to an address can change what is sent."""
    parts = urllib.parse.urlsplit(url)
    this_machine = parts.hostname in ("localhost", "127.0.0.1", "::1")
    return parts.scheme == "https" or this_machine


def _copy(url, path):
    """Downloads a file, with Keras' progress bar."""
    import keras

    opener = urllib.request.build_opener(_NoDowngrade)
    with (
        # The bar goes to stderr; stdout is for results.
        contextlib.redirect_stdout(sys.stderr),
        opener.open(url, timeout=TIMEOUT) as source,
        path.open("wb") as target,
    ):
        length = source.headers.get("Content-Length")
        size = int(length) if length else None
        bar, done = keras.utils.Progbar(size), 0
        while piece := source.read(PIECE):
            target.write(piece)
            done += len(piece)
            bar.update(done)
    if size is not None and done < size:
        raise urllib.error.ContentTooShortError(
            f"got only {done} out of {size} bytes", None
        )


def make_folder(path: pathlib.Path) -> None:
    """Makes a folder and its parents, which no other user may write to."""
    missing = [p for p in (path, *path.parents) if not p.exists()]
    for folder in reversed(missing):
        folder.mkdir(0o755, exist_ok=True)
