"""Published archives of weights: downloaded, verified, extracted."""

import contextlib
import gzip
import os
import pathlib
import tarfile
import zlib

from nasnet_keras.weights.download import CachedFile

ARCHIVE = ".tar.gz"
# A file in an extracted folder: the hash of the archive that it came from.
STAMP = ".extracted_from"
BROKEN = (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError)


def fetch_archive(url: str, md5: str | None = None) -> pathlib.Path:
    """Returns the folder of a published archive, downloaded and extracted.

    The archive stays in the cache and is verified as by `fetch`. Its folder
    appears beside it complete or not at all, and is replaced when another
    archive is verified. Changes in the folder are not detected.

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
            new.mkdir()
            self._unpack(new)
            (new / STAMP).write_text(" ".join(self.expected()))
            if self.folder.exists():
                os.rename(self.folder, pathlib.Path(temporary, "old"))
            os.rename(new, self.folder)

    def _unpack(self, folder):
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
