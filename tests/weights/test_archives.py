"""Hostile archives: what is taken from them, and what is refused."""

import hashlib
import io
import os
import stat
import tarfile

import pytest

from nasnet_keras.weights import archives
from nasnet_keras.weights.archives import fetch_archive
from nasnet_keras.weights.download import DownloadError

pytestmark = pytest.mark.usefixtures("cache")

INDEX, DATA = "model.ckpt.index", "model.ckpt.data-00000-of-00001"


def member(name, type=tarfile.REGTYPE, content=b"weights", **attributes):
    """A header and its content."""
    info = tarfile.TarInfo(name)
    info.type = type
    info.size = len(content) if type == tarfile.REGTYPE else 0
    for key, value in attributes.items():
        setattr(info, key, value)
    return info, content


def packed(*members, format=tarfile.PAX_FORMAT):
    """Bytes of a `.tar.gz` archive; headers may lie about sizes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", format=format) as archive:
        for info, content in members:
            archive.addfile(info)
            archive.fileobj.write(content)
            archive.fileobj.write(b"\0" * (-len(content) % 512))
    return buffer.getvalue()


def link(name, target, type=tarfile.SYMTYPE):
    return member(name, type, b"", linkname=target)


def folder(name):
    return member(name, tarfile.DIRTYPE, b"")


def symlink_chain():
    """CVE-2025-4517: links whose resolved path is beyond PATH_MAX."""
    long = "d" * 247
    members, path = [], ""
    for letter in "abcdefghijklmnop":
        members.append(folder(f"{path}{long}"))
        members.append(link(f"{path}{letter}", long))
        path += f"{letter}/"
    beyond = f"{path}{'l' * 254}"
    members.append(link(beyond, "../" * 16))
    members.append(link("escape", f"{beyond}/../../../evil"))
    return [*members, member("escape/model.ckpt.index")]


GOOD = member(INDEX)
HOSTILE = {
    "symlink_chain": (symlink_chain(), "'a' is a link"),
    "symlink": ([GOOD, link(DATA, "/etc/passwd")], f"'{DATA}' is a link"),
    "hardlink": (
        [GOOD, link(DATA, "/etc/passwd", tarfile.LNKTYPE)],
        f"'{DATA}' is a link",
    ),
    "device": (
        [member(DATA, tarfile.CHRTYPE, b"", devmajor=1, devminor=5), GOOD],
        f"'{DATA}' is a link, a device",
    ),
    "pipe": ([member(DATA, tarfile.FIFOTYPE, b"")], "is a link, a device"),
    "parent": ([GOOD, member("../x.index")], "'../x.index' leaves the"),
    "inner_parent": (
        [GOOD, member(f"a/../../{DATA}")],
        f"'a/../../{DATA}' leaves the folder",
    ),
    "absolute": (
        [GOOD, member("/tmp/evil.index")],
        "'/tmp/evil.index' leaves the folder",
    ),
    "huge": (
        [member(DATA, size=1 << 50)],
        f"'{DATA}' has 1125899906842624 bytes",
    ),
    "sparse": (
        [
            member(
                DATA,
                pax_headers={
                    "GNU.sparse.major": "1",
                    "GNU.sparse.minor": "0",
                    "GNU.sparse.name": DATA,
                    "GNU.sparse.realsize": str(1 << 40),
                },
                content=b"1\n0\n7\n".ljust(512, b"\0") + b"weights",
            )
        ],
        f"'{DATA}' is a link, a device or a sparse file",
    ),
    "many": (
        [member(f"{number}.txt", content=b"") for number in range(10_000)],
        "'100.txt' is one of more than 100",
    ),
    "twice": ([GOOD, member(f"deep/{INDEX}")], f"named '{INDEX}'"),
    "only_a_folder": ([folder(INDEX)], f"no checkpoint, but ['{INDEX}']"),
    "nothing": ([member("README.md")], "no checkpoint, but ['README.md']"),
    "long_header": (
        [member(INDEX, pax_headers={"comment": "x" * (2 << 20)})],
        "a header has 20",
    ),
    "backwards": ([member("x", size=-4096)], "a header points backwards"),
}


@pytest.fixture
def publish(server):
    """Function that serves bytes as an archive; returns address and hash."""

    def publish(content):
        url = server.publish("a.tar.gz", content)
        return url, hashlib.md5(content).hexdigest()

    return publish


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_archive_is_refused(case, publish, cache, tmp_path):
    members, expected = HOSTILE[case]
    gnu = case == "backwards"
    content = packed(
        *members, format=tarfile.GNU_FORMAT if gnu else tarfile.PAX_FORMAT
    )
    with pytest.raises(DownloadError) as error:
        fetch_archive(*publish(content))
    assert "the archive is broken" in str(error.value)
    assert expected in str(error.value)
    left = {path.name for path in cache.iterdir() if path.suffix != ".lock"}
    assert left == {"a.tar.gz"}
    assert not [*tmp_path.rglob("*evil*"), *tmp_path.rglob("x.index")]


def test_a_bomb_is_not_unpacked_to_its_end(publish, monkeypatch):
    """The limit counts what is read, not what a header says."""
    monkeypatch.setattr(archives, "MOST_BYTES", 1 << 20)
    zeros = b"\0" * (600 << 10)
    content = packed(
        member("1.txt", content=zeros), member(DATA, content=zeros)
    )
    with pytest.raises(DownloadError, match="more than 1048576 bytes"):
        fetch_archive(*publish(content))


def modes(top):
    """The mode of a folder and of everything below it."""
    return {
        path.relative_to(top).as_posix(): stat.S_IMODE(path.stat().st_mode)
        for path in (top, *top.rglob("*"))
    }


@pytest.mark.parametrize("umask", [0, 0o077])
def test_other_users_cannot_write_to_the_cache(publish, tmp_path, cache, umask):
    """Whatever the mask of the process, and the modes in the archive."""
    content = packed(folder("x"), member(f"x/{INDEX}", mode=0o6777))
    before = os.umask(umask)
    try:
        made = fetch_archive(*publish(content))
        fetch_archive(*publish(content))
    finally:
        os.umask(before)
    folders = 0o755 & ~umask
    assert modes(tmp_path / "home") == {
        **dict.fromkeys([".", "models", "models/nasnet_keras"], folders),
        "models/nasnet_keras/a": folders,
        f"models/nasnet_keras/a/{INDEX}": 0o644,
        "models/nasnet_keras/a/.extracted_from": 0o644,
        "models/nasnet_keras/a.tar.gz": 0o644,
        "models/nasnet_keras/a.tar.gz.lock": 0o644,
    }
    assert (made / INDEX).read_bytes() == b"weights"
