"""Downloads into the cache: real server, files and processes."""

import contextlib
import hashlib
import http.server
import io
import json
import logging
import os
import pathlib
import random
import shutil
import signal
import ssl
import subprocess
import sys
import tarfile
import tempfile
import time

import pytest

from nasnet_keras.weights.archives import fetch_archive
from nasnet_keras.weights.download import DownloadError, cache_folder, fetch
from tests.support.server import PATIENCE, Handler

pytestmark = pytest.mark.usefixtures("cache")

CONTENT = random.Random(0).randbytes(300_000)
OTHER = random.Random(1).randbytes(300_000)

FETCH = """
import logging, sys
from nasnet_keras.weights.archives import fetch_archive
from nasnet_keras.weights.download import fetch
logging.basicConfig(level=logging.INFO)
path = globals()[sys.argv[1]](*sys.argv[2:])
print(f"\\nfetched {path}")
"""


def md5(content):
    return hashlib.md5(content).hexdigest()


def sha256(content):
    return hashlib.sha256(content).hexdigest()


with_and_without_hash = pytest.mark.parametrize(
    "published", [md5(CONTENT), None], ids=["md5", "no_md5"]
)


@pytest.fixture
def offline():
    """An address without a server: the port is free."""
    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        port = server.server_port
    return f"http://127.0.0.1:{port}/weights.h5"


def names(folder):
    """The names in the cache, without locks."""
    return {path.name for path in folder.iterdir() if path.suffix != ".lock"}


def read_record(cache, name="weights.h5"):
    return json.loads((cache / f"{name}.json").read_text())


def assert_has_facts(error, url, path, expected, *happened):
    """Checks the facts in a message, and what happened."""
    message = str(error.value)
    for fact in (url, str(path), expected, *happened, "weights=PATH"):
        assert fact in message
    assert "What to do: " in message


@contextlib.contextmanager
def started(*args, script=FETCH, log=subprocess.PIPE):
    """A process that downloads; killed at the end if it still runs."""
    with subprocess.Popen(
        [sys.executable, "-c", script, *args],
        env={**os.environ, "KERAS_BACKEND": "numpy"},
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_until(true):
    """Waits until another process has met a condition; returns its value."""
    end = time.monotonic() + PATIENCE
    while not (result := true()):
        assert time.monotonic() < end, "the other process does not get there"
        time.sleep(0.02)
    return result


def test_the_folder_is_that_of_keras(monkeypatch):
    below = pathlib.Path("models", "nasnet_keras")
    monkeypatch.setenv("KERAS_HOME", "/elsewhere")
    assert cache_folder() == "/elsewhere" / below
    monkeypatch.setenv("KERAS_HOME", "~/mine")
    assert cache_folder() == pathlib.Path.home() / "mine" / below
    monkeypatch.delenv("KERAS_HOME")
    assert cache_folder() == pathlib.Path.home() / ".keras" / below


def test_importing_loads_no_keras():
    code = (
        "import sys, nasnet_keras.weights.download;"
        "print([m for m in ('keras', 'tensorflow', 'jax', 'torch')"
        "if m in sys.modules])"
    )
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert loaded == "[]\n"


@pytest.mark.parametrize("function", [fetch, fetch_archive])
@pytest.mark.parametrize("url", ["http://host", "http://host/..", "", "."])
def test_an_address_without_a_name_is_refused(function, url):
    with pytest.raises(ValueError, match=r"`url` must .*Received: url="):
        function(url)


def test_a_hash_of_another_kind_is_refused():
    with pytest.raises(ValueError, match=r"`md5` must .*Received: md5='123'"):
        fetch("http://host/weights.h5", "123")


def test_the_second_use_asks_nobody(server, cache):
    url = server.publish("weights.h5", CONTENT)
    path = fetch(f"{url}?download=1", md5(CONTENT).upper())
    assert path == cache / "weights.h5"
    assert path.read_bytes() == CONTENT
    assert names(cache) == {"weights.h5"}
    assert len(server.requests) == 1

    assert fetch(url, md5(CONTENT)) == path
    assert len(server.requests) == 1


def test_another_file_than_published_is_refused(server, cache):
    url = server.publish("weights.h5", OTHER)
    with pytest.raises(DownloadError) as error:
        fetch(url, md5(CONTENT))
    assert_has_facts(
        error,
        *(url, cache / "weights.h5", f"md5 {md5(CONTENT)}"),
        *("another file was downloaded", md5(OTHER), "300000 bytes"),
    )
    assert names(cache) == set()


@with_and_without_hash
def test_a_transfer_cut_short_is_noticed(server, cache, published):
    url = server.publish("weights.h5", CONTENT)
    server.cut = True
    with pytest.raises(DownloadError) as error:
        fetch(url, published)
    expected = published or "none is published"
    assert_has_facts(
        error,
        *(url, cache / "weights.h5", expected),
        "got only 150000 out of 300000 bytes",
    )
    assert names(cache) == set()

    server.cut = False
    assert fetch(url, published).read_bytes() == CONTENT


def test_a_damaged_file_is_replaced(server, cache, caplog):
    url = server.publish("weights.h5", CONTENT)
    path = fetch(url, md5(CONTENT))
    path.write_bytes(CONTENT[:-1])

    assert fetch(url, md5(CONTENT)).read_bytes() == CONTENT
    assert len(server.requests) == 2
    (said,) = (r for r in caplog.records if r.levelno == logging.WARNING)
    assert said.name == "nasnet_keras"
    for fact in (str(path), md5(CONTENT), md5(CONTENT[:-1])):
        assert fact in said.getMessage()


def test_a_damaged_file_offline(offline, cache):
    cache.mkdir(parents=True)
    (cache / "weights.h5").write_bytes(OTHER)
    with pytest.raises(DownloadError) as error:
        fetch(offline, md5(CONTENT))
    assert_has_facts(
        error,
        *(offline, cache / "weights.h5", md5(CONTENT)),
        *("the cached file is damaged", md5(OTHER), "Connection refused"),
        f"put it at {cache / 'weights.h5'}",
    )


def test_offline(offline, cache):
    with pytest.raises(DownloadError) as error:
        fetch(offline)
    assert_has_facts(
        error,
        *(offline, cache / "weights.h5", "none is published"),
        *("Connection refused", f"put it at {cache / 'weights.h5'}"),
    )
    assert "damaged" not in str(error.value)
    assert names(cache) == set()


def test_a_host_that_is_not_there(cache):
    url = "https://no-such-host.invalid/weights.h5"
    with pytest.raises(DownloadError) as error:
        fetch(url)
    path = cache / "weights.h5"
    assert_has_facts(error, url, path, "none is published", "URLError")


def test_without_a_hash_the_way_must_be_encrypted(cache):
    url = "http://example.com/weights.h5"
    with pytest.raises(DownloadError, match="its address is not https") as e:
        fetch(url)
    assert_has_facts(e, url, cache / "weights.h5", "none is published")
    assert names(cache) == set()


@pytest.fixture
def https_server(server, tmp_path, monkeypatch):
    """A server whose certificate this process trusts."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    pem = tmp_path / "localhost.pem"
    request = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    names = "-addext subjectAltName=DNS:localhost,DNS:example.localhost"
    files = ["-keyout", pem, "-out", tmp_path / "certificate.pem"]
    subprocess.run(
        ["openssl", *request.split(), *names.split(), *files],
        check=True,
        capture_output=True,
    )
    certificate = tmp_path / "certificate.pem"
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, pem)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    return server


@with_and_without_hash
def test_no_server_redirects_away_from_https(https_server, cache, published):
    url = https_server.publish("weights.h5", CONTENT).replace("http", "https")
    url = url.replace("127.0.0.1", "localhost")
    moved = url.replace("weights.h5", "moved/weights.h5")
    https_server.moved["/moved/weights.h5"] = url
    assert fetch(moved, published).read_bytes() == CONTENT

    other = "http://example.com/other.h5"
    https_server.moved["/moved/other.h5"] = other
    moved = moved.replace("weights", "other")
    with pytest.raises(DownloadError) as error:
        fetch(moved, published)
    happened = f"{moved} redirects to {other}, which is not https"
    expected = published or "none is published"
    assert_has_facts(error, moved, cache / "other.h5", expected, happened)


def test_a_file_that_is_not_there(server, cache):
    url = server.publish("weights.h5", CONTENT)
    (server.folder / "weights.h5").unlink()
    with pytest.raises(DownloadError) as error:
        fetch(url, md5(CONTENT))
    path = cache / "weights.h5"
    assert_has_facts(error, url, path, md5(CONTENT), "404")
    assert names(cache) == set()


def test_a_file_without_a_hash_is_recorded(server, cache, caplog):
    caplog.set_level(logging.INFO, "nasnet_keras")
    url = server.publish("weights.h5", CONTENT)
    path = fetch(url)
    record = read_record(cache)
    assert record.pop("date").startswith("20")
    digest = sha256(CONTENT)
    assert record == {"url": url, "sha256": digest, "size": 300_000}
    assert names(cache) == {"weights.h5", "weights.h5.json"}
    for fact in (url, digest, "300000", str(cache / "weights.h5.json")):
        assert fact in caplog.text

    caplog.clear()
    assert fetch(url) == path
    assert len(server.requests) == 1
    assert caplog.text == ""


def test_a_recorded_file_that_changes_on_disk_is_replaced(
    server, cache, caplog
):
    url = server.publish("weights.h5", CONTENT)
    path = fetch(url)
    recorded = read_record(cache)
    path.write_bytes(OTHER)

    assert fetch(url).read_bytes() == CONTENT
    assert sha256(CONTENT) in caplog.text and sha256(OTHER) in caplog.text
    assert read_record(cache) == recorded


def test_later_downloads_are_held_to_the_record(server, cache):
    url = server.publish("weights.h5", CONTENT)
    path = fetch(url)
    path.unlink()
    recorded = read_record(cache)
    server.publish("weights.h5", OTHER)
    with pytest.raises(DownloadError) as error:
        fetch(url)
    assert_has_facts(
        error,
        *(url, path, "none is published", sha256(CONTENT), recorded["date"]),
        *(sha256(OTHER), f"delete {cache / 'weights.h5.json'}"),
    )
    assert names(cache) == {"weights.h5.json"}

    (cache / "weights.h5.json").unlink()
    assert fetch(url).read_bytes() == OTHER


def test_a_file_put_there_by_hand_is_recorded(offline, cache):
    cache.mkdir(parents=True)
    (cache / "weights.h5").write_bytes(CONTENT)
    assert fetch(offline) == cache / "weights.h5"
    assert read_record(cache)["sha256"] == sha256(CONTENT)

    (cache / "weights.h5").write_bytes(OTHER)
    with pytest.raises(DownloadError, match="the cached file is damaged"):
        fetch(offline)


@pytest.mark.parametrize("text", ["", "[]", '{"sha256": "0"}'])
def test_a_damaged_record_is_named(server, cache, text):
    url = server.publish("weights.h5", CONTENT)
    path = fetch(url)
    record = cache / "weights.h5.json"
    record.write_text(text)
    with pytest.raises(DownloadError) as error:
        fetch(url)
    assert_has_facts(error, url, path, "none is published", f"{record} is dam")


@pytest.fixture
def read_only():
    """Function that makes its argument a folder without write permission.

    The mode of a folder does not bind the superuser, who becomes another user
    until the test ends. The folder must not lie in one that is private.
    """
    changed = []

    def is_bound(folder):
        try:
            (folder / "try").touch()
        except PermissionError:
            return True
        (folder / "try").unlink()
        return False

    def make(folder):
        folder.chmod(0o555)
        changed.append((folder, os.geteuid()))
        if not is_bound(folder):
            os.seteuid(65534)
        assert is_bound(folder)

    yield make
    for folder, user in changed:
        os.seteuid(user)
        folder.chmod(0o755)


@pytest.fixture
def public_cache(monkeypatch):
    """A cache that other users can read, which pytest's folders are not."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        monkeypatch.setenv("KERAS_HOME", folder)
        yield pathlib.Path(folder, "models", "nasnet_keras")


@with_and_without_hash
def test_a_cache_that_can_only_be_read(
    server, public_cache, read_only, published
):
    url = server.publish("weights.h5", CONTENT)
    missing = server.publish("missing.h5", CONTENT)
    fetch(url, published)
    (public_cache / "weights.h5.lock").unlink()
    read_only(public_cache)

    assert fetch(url, published).read_bytes() == CONTENT
    with pytest.raises(DownloadError) as error:
        fetch(missing, published)
    assert_has_facts(
        error,
        *(missing, public_cache / "missing.h5"),
        published or "none is published",
        *("PermissionError", "Set KERAS_HOME to a folder that can be written"),
    )
    assert len(server.requests) == 1


def test_a_cache_that_cannot_be_made(server, tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setenv("KERAS_HOME", str(file))
    url = server.publish("weights.h5", CONTENT)
    with pytest.raises(DownloadError) as error:
        fetch(url, md5(CONTENT))
    assert_has_facts(
        error,
        *(url, file / "models" / "nasnet_keras" / "weights.h5", md5(CONTENT)),
        *("NotADirectoryError", "Set KERAS_HOME to a folder"),
    )
    assert server.requests == []


def test_a_disk_that_is_full(server, cache):
    """Simulated by a limit on the size of files."""
    url = server.publish("weights.h5", CONTENT)
    limited = (
        "import keras, resource\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
    )
    arguments = ("fetch", url, md5(CONTENT))
    with started(*arguments, script=limited + FETCH) as process:
        _, log = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert "DownloadError: weights.h5 cannot be used" in log
    assert "File too large" in log
    assert "What to do: Free space on that disk" in log
    assert names(cache) == set()


@with_and_without_hash
def test_four_processes_download_once(server, tmp_path, cache, published):
    url = server.publish("weights.h5", CONTENT)
    arguments = ["fetch", url, published][: 3 if published else 2]
    logs = [tmp_path / f"log{i}" for i in range(4)]
    server.gate.clear()
    with contextlib.ExitStack() as stack:
        processes = [
            stack.enter_context(
                started(*arguments, log=stack.enter_context(log.open("w")))
            )
            for log in logs
        ]
        # One downloads and cannot end before the others wait for the file.
        wait_until(
            lambda: sum("Waiting for" in log.read_text() for log in logs) == 3
        )
        wait_until(lambda: server.requests)
        server.gate.set()
        for process in processes:
            out, _ = process.communicate(timeout=PATIENCE)
            assert process.returncode == 0
            assert out.splitlines()[-1] == f"fetched {cache / 'weights.h5'}"
    assert len(server.requests) == 1
    assert (cache / "weights.h5").read_bytes() == CONTENT
    # Nor did the waiting processes write another record.
    recorded = sum("Recorded sha256" in log.read_text() for log in logs)
    assert recorded == (published is None)


def test_a_killed_download_does_no_harm(server, cache):
    url = server.publish("weights.h5", CONTENT)
    server.gate.clear()
    with started("fetch", url) as process:
        partial = ".weights.h5.partial-*/weights.h5"
        wait_until(
            lambda: any(path.stat().st_size for path in cache.glob(partial))
        )
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE)
    assert process.returncode == -signal.SIGKILL
    assert len(list(cache.glob(partial))) == 1
    assert len(names(cache)) == 1

    server.gate.set()
    assert fetch(url).read_bytes() == CONTENT
    assert names(cache) == {"weights.h5", "weights.h5.json"}
    assert len(server.requests) == 2


INDEX, DATA = "model.ckpt.index", "model.ckpt.data-00000-of-00001"


def tar_of(*names, content=b"weights"):
    """Bytes of a .tar.gz archive of files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def files_in(folder):
    """Visible files below a folder, with their contents."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


@pytest.mark.parametrize("with_hash", [True, False])
def test_an_archive_is_extracted_once(server, cache, with_hash):
    content = tar_of(INDEX, f"deep/er/{DATA}", "README.md", "._x.index")
    url = server.publish("nasnet-a_04.tar.gz", content)
    published = md5(content) if with_hash else None
    folder = fetch_archive(url, published)
    assert folder == cache / "nasnet-a_04"
    assert files_in(folder) == {
        INDEX: b"weights",
        DATA: b"weights",
    }
    kept = {"nasnet-a_04", "nasnet-a_04.tar.gz"}
    assert names(cache) == kept | (
        set() if with_hash else {"nasnet-a_04.tar.gz.json"}
    )
    assert fetch(url, published).read_bytes() == content

    mark = folder / "mark"
    mark.touch()
    assert fetch_archive(url, published) == folder
    assert mark.exists()
    assert len(server.requests) == 1


def test_an_archive_in_a_cache_that_can_only_be_read(
    server, public_cache, read_only
):
    content = tar_of(INDEX)
    url = server.publish("a.tar.gz", content)
    folder = fetch_archive(url, md5(content))
    (public_cache / "a.tar.gz.lock").unlink()
    read_only(public_cache)
    assert fetch_archive(url, md5(content)) == folder


def test_another_archive_is_extracted_anew(server, cache):
    old, new = tar_of("old.index"), tar_of("new.index")
    folder = fetch_archive(server.publish("a.tar.gz", old), md5(old))
    assert files_in(folder) == {"old.index": b"weights"}
    assert fetch_archive(server.publish("a.tar.gz", new), md5(new)) == folder
    assert files_in(folder) == {"new.index": b"weights"}
    assert names(cache) == {"a", "a.tar.gz"}


def test_a_folder_that_is_not_ours_is_left_alone(server, cache):
    (cache / "a").mkdir(parents=True)
    (cache / "a" / "mine").write_bytes(b"mine")
    url = server.publish("a.tar.gz", tar_of(INDEX))
    with pytest.raises(DownloadError) as error:
        fetch_archive(url)
    path = cache / "a.tar.gz"
    assert_has_facts(
        error, url, path, "none is published", f"{cache / 'a'} is in the way"
    )
    assert files_in(cache / "a") == {"mine": b"mine"}


def damaged(content):
    """The same archive with one bit changed in a file."""
    middle = len(content) // 2
    flipped = bytes([content[middle] ^ 1])
    return content[:middle] + flipped + content[middle + 1 :]


@pytest.mark.parametrize(
    "broken",
    [
        b"<html>Please log in</html>",
        b"",
        tar_of(INDEX, content=CONTENT)[:100_000],
        damaged(tar_of(INDEX, content=CONTENT)),
    ],
    ids=["page", "empty", "half", "bit"],
)
def test_a_broken_archive_is_not_kept(server, cache, broken):
    url = server.publish("a.tar.gz", broken)
    with pytest.raises(DownloadError) as error:
        fetch_archive(url)
    expected = "none is published"
    assert_has_facts(error, url, cache / "a.tar.gz", expected)
    assert names(cache) == set()

    # Later downloads are not compared with it.
    server.publish("a.tar.gz", tar_of(INDEX))
    assert files_in(fetch_archive(url)) == {INDEX: b"weights"}


def test_a_broken_archive_that_was_there_is_left(offline, cache):
    url = offline.replace("weights.h5", "a.tar.gz")
    path = cache / "a.tar.gz"
    cache.mkdir(parents=True)
    path.write_bytes(b"mine")
    with pytest.raises(DownloadError) as error:
        fetch_archive(url)
    assert_has_facts(
        error,
        *(url, path, "none is published", sha256(b"mine")),
        *("the archive is broken", f"Delete {path} and {path}.json"),
    )
    assert path.read_bytes() == b"mine"
