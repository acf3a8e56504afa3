"""Published archives of weights: downloaded, verified, extracted.

An archive is not trusted: only the files of a TF-slim checkpoint are taken
from it, each as a plain copy. `tarfile`'s own extraction filter is not used:
it has been bypassed.
"""

import contextlib
import gzip
import os
import pathlib
import re
import shutil
import tarfile
import zlib

from nasnet_keras.weights.download import CachedFile, make_folder

ARCHIVE = ".tar.gz"
# The files of a checkpoint that are read. Other files are passed over.
WANTED = re.compile(r"\w[\w.-]*\.(index|data-\d{5}-of-\d{5})", re.ASCII)
# PNASNet's archives have two members; the larger one is below 1 GiB.
MOST_MEMBERS = 100
MOST_BYTES = 4 << 30
# `tarfile` reads a header, with its long names, at once; files in pieces.
MOST_AT_ONCE = 1 << 20
# A file in an extracted folder: the hash of the archive that it came from.
STAMP = ".extracted_from"
# `tarfile` lets the last two through for some headers.
BROKEN = (
    tarfile.TarError,
    gzip.BadGzipFile,
    zlib.error,
    EOFError,
    ValueError,
    RecursionError,
)


def fetch_archive(url: str, md5: str | None = None) -> pathlib.Path:
    """Returns the folder of a published archive, downloaded and extracted.

    The archive stays in the cache and is verified as by `fetch`. Its folder
    appears beside it complete or not at all, and is replaced when another
    archive is verified. Changes in the folder are not detected. It holds the
    files of the checkpoint (`.index`, `.data-...`) and nothing else.

    Args:
        url: String, the address of a `.tar.gz` file.
        md5: Optional string, the published MD5 of the archive, as in `fetch`.

    Returns:
        `pathlib.Path` of the folder, named as the archive without `.tar.gz`.

    Raises:
        ValueError: If `url` does not end in `.tar.gz`, or `md5` is no MD5.
        DownloadError: If the archive cannot be downloaded or extracted.
    """
    archive = _CachedArchive(url, md5)
    with archive.explained():
        if not (archive.is_good() and archive.is_extracted()):
            with archive.locked():
                archive.provide()
                if not archive.is_extracted():
                    archive.extract()
    return archive.folder


class _CachedArchive(CachedFile):
    """A published archive in the cache, and its folder."""

    def __init__(self, url, md5):
        super().__init__(url, md5)
        if not self.path.name.endswith(ARCHIVE):
            raise ValueError(
                f"`url` must name a {ARCHIVE} archive. Received: url={url!r}"
            )
        self.folder = self.path.with_name(self.path.name.removesuffix(ARCHIVE))

    def is_extracted(self):
        """Whether the folder was made from the verified archive."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            stamp = (self.folder / STAMP).read_text()
            return stamp == " ".join(self.expected())
        return False

    def extract(self):
        """Extracts the verified archive. The lock must be held.

        Not by `runs.files.replacing`, see `CachedFile.download`.
        """
        if self.folder.exists() and not (self.folder / STAMP).is_file():
            raise self.error(
                f"{self.folder} is in the way and was not made from an archive",
                "Move it elsewhere, or pass weights=PATH.",
            )
        with self.temporary_folder() as temporary:
            new = pathlib.Path(temporary, "new")
            make_folder(new)
            self._unpack(new)
            (new / STAMP).write_text(" ".join(self.expected()))
            for file in new.iterdir():
                file.chmod(0o644)
            if self.folder.exists():
                os.rename(self.folder, pathlib.Path(temporary, "old"))
            os.rename(new, self.folder)

    def _unpack(self, folder):
        try:
            with gzip.open(self.path) as file:
                stream = _Stream(file)
                with tarfile.open(fileobj=stream, mode="r:") as archive:
                    _copy_checkpoint(archive, folder)
                # The checksum comes last, after what tarfile reads.
                while stream.read(MOST_AT_ONCE):
                    pass
        except BROKEN as error:
            raise self._broken(error) from error

    def _broken(self, error):
        happened = f"the archive is broken ({type(error).__name__}: {error})"
        advice = None
        if self.first:
            # A login page, perhaps. Later downloads must not be compared
            # with it.
            self.path.unlink()
            self.record_path.unlink()
            happened += " and was not kept"
        elif self.md5 is None:
            advice = (
                f"Delete {self.path} and {self.record_path} to download "
                "it anew, or pass weights=PATH."
            )
        return self.error(happened, advice)


def _copy_checkpoint(archive, folder):
    """Copies the files of a checkpoint from an archive to a folder.

    Raises:
        tarfile.ReadError: If a member is not what such an archive holds; the
            message names it.
    """
    passed_over = []
    for number, member in enumerate(archive, start=1):
        _check_member(member, number)
        name = pathlib.PurePosixPath(member.name).name
        if member.isdir() or not WANTED.fullmatch(name):
            passed_over.append(member.name)
            continue
        if (folder / name).exists():
            raise tarfile.ReadError(f"two members are named {name!r}")
        with (
            archive.extractfile(member) as source,
            (folder / name).open("xb") as target,
        ):
            shutil.copyfileobj(source, target)
    if not any(folder.iterdir()):
        raise tarfile.ReadError(
            f"it holds no checkpoint, but {passed_over[:5]}"
        )


def _check_member(member, number):
    """Raises ReadError for a member that no honest archive has."""
    path = pathlib.PurePosixPath(member.name)
    plain = member.type in (tarfile.REGTYPE, tarfile.AREGTYPE)
    if path.is_absolute() or ".." in path.parts:
        problem = "leaves the folder"
    elif not (member.isdir() or (plain and not member.issparse())):
        problem = "is a link, a device or a sparse file"
    elif member.size > MOST_BYTES:
        problem = f"has {member.size} bytes, above {MOST_BYTES}"
    elif number > MOST_MEMBERS:
        problem = f"is one of more than {MOST_MEMBERS}"
    else:
        return
    raise tarfile.ReadError(f"its member {member.name!r} {problem}")


class _Stream:
    """A file that is read forward only, in small pieces, up to a limit.

    Whatever the headers of an archive say, reading it ends, and takes little
    memory.
    """

    def __init__(self, file):
        self.file = file

    def tell(self):
        return self.file.tell()

    def seek(self, position):
        if position < self.tell():
            raise tarfile.ReadError("a header points backwards")
        while (left := position - self.tell()) > 0:
            if not self.read(min(left, MOST_AT_ONCE)):
                break

    def read(self, size):
        if size > MOST_AT_ONCE:
            raise tarfile.ReadError(f"a header has {size} bytes")
        if self.tell() > MOST_BYTES:
            raise tarfile.ReadError(f"it has more than {MOST_BYTES} bytes")
        return self.file.read(size)
