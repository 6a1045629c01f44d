"""Downloads continue after a break, whatever breaks it, and only a file that fits gets its name."""

import hashlib
import io
import json
import os
import shutil
import socket
import struct
import sys
import threading
import time
from collections import namedtuple
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from agch import download, published_files
from agch.download import obtain
from agch.published_files import DownloadError, Remote, verify

CONTENT = bytes(range(256)) * 390 + b" the end."
SIZE = len(CONTENT)  # 99,849
SHA256, MD5 = hashlib.sha256(CONTENT).hexdigest(), hashlib.md5(CONTENT).hexdigest()
OTHER = CONTENT[::-1]
OTHER_SHA256 = hashlib.sha256(OTHER).hexdigest()
WHOLE = ["big.zip", "big.zip.sha256"]
PARTIAL = ["big.zip.part", "big.zip.part.json"]
LICENCE = "for research only"
STALL = 5  # seconds that a stalled connection stays open

Seen = namedtuple("Seen", "range if_range sent")


class Site:
    """What the server does; `seen` has the Range, the If-Range and the bytes sent of each request.

    `cuts` holds for each request in turn after how many bytes of the body it ends, None for never.
    """

    def __init__(self):
        self.content, self.ranges, self.status = CONTENT, True, 200
        self.validators = {"ETag": '"v1"'}
        self.length = True  # whether Content-Length is sent
        self.shift = 0  # bytes by which an answer misses the range that was asked for
        self.cuts, self.how = [], "close"
        self.over = threading.Event()
        self.seen = []

    def answer(self, handler):
        wanted, condition = handler.headers["Range"], handler.headers["If-Range"]
        self.seen.append(Seen(wanted, condition, 0))
        if self.status != 200:
            return handler.send_error(self.status)
        start, status = 0, 200
        if wanted and self.ranges and condition in (None, *self.validators.values()):
            start, status = int(wanted.removeprefix("bytes=").removesuffix("-")), 206
        if start >= len(self.content):
            handler.send_response(416)
            handler.send_header("Content-Range", f"bytes */{len(self.content)}")
            return handler.end_headers()
        body = self.content[start:]
        handler.send_response(status)
        for name, value in self.validators.items():
            handler.send_header(name, value)
        if status == 206:
            span = f"bytes {start + self.shift}-{len(self.content) - 1}/{len(self.content)}"
            handler.send_header("Content-Range", span)
        if self.length:
            handler.send_header("Content-Length", len(body))
        handler.end_headers()
        self.send(handler, body)

    def send(self, handler, body):
        cut = self.cuts.pop(0) if self.cuts else None
        self.seen[-1] = self.seen[-1]._replace(sent=len(body[:cut]))  # before the client goes on
        handler.wfile.write(body[:cut])
        handler.wfile.flush()
        if cut is not None and self.how == "stall":
            self.over.wait(STALL)
        if cut is not None and self.how == "reset":
            linger = struct.pack("ii", 1, 0)
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            handler.connection.close()


@pytest.fixture
def site(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(download, "BLOCK", 1000)
    found = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            found.answer(self)

        def log_message(self, *args):
            pass

        def finish(self):
            try:
                super().finish()
            except OSError:  # the connection was reset on purpose
                pass

    class Server(ThreadingHTTPServer):
        def shutdown_request(self, request):
            if request.fileno() >= 0:
                super().shutdown_request(request)

    with Server(("127.0.0.1", 0), Handler) as server:
        found.url = f"http://127.0.0.1:{server.server_port}/files/1"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield found
        found.over.set()
        server.shutdown()
        thread.join()


def remote(site, size=None, digest=None):
    return Remote(site.url, "big.zip", size, digest, LICENCE)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def begun(folder, part, version='"v1"'):
    """What a process leaves that is killed in the middle of a download."""
    (folder / "big.zip.part").write_bytes(part)
    (folder / "big.zip.part.json").write_text(json.dumps({"version": version}))


def age(path):
    """Move a pin's time back: what is done to its file from now on is later, by any clock."""
    past = path.stat().st_mtime_ns - 10**9
    os.utime(path, ns=(past, past))


@pytest.fixture
def had(tmp_path, site, capsys):
    """A file that was downloaded and pinned a second ago; `seen` and the output are empty."""
    path = obtain(remote(site), tmp_path)
    age(tmp_path / "big.zip.sha256")
    os.utime(path, ns=(0, 0))
    site.seen.clear()
    capsys.readouterr()
    return path


def test_a_file_is_downloaded_verified_and_pinned(tmp_path, site, capsys):
    path = obtain(remote(site, SIZE, f"md5:{MD5}"), tmp_path / "new" / "folder")
    assert path == tmp_path / "new" / "folder" / "big.zip"
    assert path.read_bytes() == CONTENT
    assert names(path.parent) == WHOLE
    assert (path.parent / "big.zip.sha256").read_text() == f"{SHA256}  big.zip\n"
    assert site.seen == [Seen(None, None, SIZE)]
    first, second = capsys.readouterr().out.splitlines()
    assert first == f"downloading {site.url} (99.8 kB; licence: {LICENCE}) to {path}"
    assert second.startswith(f"big.zip: sha256 {SHA256}; its published md5 fits")


def test_what_is_there_makes_no_request_but_is_pinned(tmp_path, site, capsys):
    path = tmp_path / "big.zip"
    path.write_bytes(CONTENT)
    assert obtain(remote(site, SIZE), tmp_path) == path
    assert site.seen == []
    assert (tmp_path / "big.zip.sha256").read_text() == f"{SHA256}  big.zip\n"
    assert capsys.readouterr().out == (
        f"big.zip: sha256 {SHA256}; no digest is published, so it is pinned in {path}.sha256 "
        "from now on\n"
    )


@pytest.mark.parametrize("how", ["close", "reset", "stall"])
def test_a_broken_connection_is_continued_with_the_missing_bytes(
    tmp_path, site, capsys, monkeypatch, how
):
    monkeypatch.setattr(download, "TIMEOUT", 0.5 if how == "stall" else 60)
    site.cuts, site.how = [60_000], how
    start = time.monotonic()
    path = obtain(remote(site, SIZE), tmp_path)
    assert time.monotonic() - start < STALL
    assert path.read_bytes() == CONTENT
    assert names(tmp_path) == WHOLE
    first, second = site.seen
    kept = int(second.range.removeprefix("bytes=").removesuffix("-"))
    assert 0 < kept <= 60_000 and (how == "reset" or kept == 60_000)  # a reset may lose some
    assert first == Seen(None, None, 60_000)
    assert second == Seen(f"bytes={kept}-", '"v1"', SIZE - kept)
    assert capsys.readouterr().out.count("downloading") == 1


def test_a_killed_download_is_continued(tmp_path, site, capsys):
    begun(tmp_path, CONTENT[:30_000])
    assert obtain(remote(site), tmp_path).read_bytes() == CONTENT
    assert site.seen == [Seen("bytes=30000-", '"v1"', SIZE - 30_000)]
    assert names(tmp_path) == WHOLE
    assert "(99.8 kB, 30.0 kB of it here already; " in capsys.readouterr().out


def test_an_interrupt_keeps_what_there_is(tmp_path, site, monkeypatch):
    def interrupted(response):
        yield response.read(5_000)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(download, "_blocks", interrupted)
        obtain(remote(site), tmp_path)
    assert names(tmp_path) == PARTIAL
    assert (tmp_path / "big.zip.part").read_bytes() == CONTENT[:5_000]
    assert obtain(remote(site), tmp_path).read_bytes() == CONTENT
    assert site.seen[1] == Seen("bytes=5000-", '"v1"', SIZE - 5_000)


def test_a_file_that_has_changed_on_the_server_is_started_over(tmp_path, site):
    begun(tmp_path, OTHER[:30_000], '"v0"')
    site.cuts = [10_000]  # the note is of the new version from then on
    assert obtain(remote(site), tmp_path).read_bytes() == CONTENT
    assert site.seen == [
        Seen("bytes=30000-", '"v0"', 10_000),
        Seen("bytes=10000-", '"v1"', SIZE - 10_000),
    ]


def test_a_server_without_ranges_is_started_over(tmp_path, site):
    site.ranges, site.cuts = False, [60_000]
    assert obtain(remote(site), tmp_path).read_bytes() == CONTENT
    assert site.seen == [Seen(None, None, 60_000), Seen("bytes=60000-", '"v1"', SIZE)]


def test_bytes_of_an_unknown_version_are_started_over(tmp_path, site):
    begun(tmp_path, OTHER[:30_000])
    (tmp_path / "big.zip.part.json").unlink()
    assert obtain(remote(site), tmp_path).read_bytes() == CONTENT
    assert site.seen == [Seen(None, None, SIZE)]


def test_the_time_stands_in_for_a_weak_etag(tmp_path, site):
    site.validators = {"ETag": 'W/"v1"', "Last-Modified": "Thu, 01 Jan 2009 00:00:00 GMT"}
    site.cuts = [60_000]
    obtain(remote(site), tmp_path)
    assert site.seen[1] == Seen("bytes=60000-", site.validators["Last-Modified"], SIZE - 60_000)


def test_without_any_version_nothing_is_continued(tmp_path, site):
    begun(tmp_path, OTHER[:30_000], '"v0"')  # its note must go with its bytes
    site.validators, site.cuts = {}, [60_000]
    with pytest.raises(DownloadError, match="broke off.*put it at"):
        obtain(remote(site), tmp_path)
    assert obtain(remote(site), tmp_path).read_bytes() == CONTENT
    assert site.seen[1:] == [Seen(None, None, SIZE)]


def test_it_gives_up_after_three_retries_and_continues_the_next_time(tmp_path, site):
    site.cuts = [10_000] * 4
    with pytest.raises(DownloadError) as caught:
        obtain(remote(site, SIZE), tmp_path)
    for words in (
        site.url,
        f"40,000 of 99,849 bytes are kept in {tmp_path}/big.zip.part",
        "the same command continues",
        f"put it at {tmp_path}/big.zip,",
    ):
        assert words in str(caught.value)
    assert [seen.range for seen in site.seen] == [
        None,
        "bytes=10000-",
        "bytes=20000-",
        "bytes=30000-",
    ]
    assert names(tmp_path) == PARTIAL
    assert obtain(remote(site, SIZE), tmp_path).read_bytes() == CONTENT
    assert site.seen[-1] == Seen("bytes=40000-", '"v1"', SIZE - 40_000)


@pytest.mark.parametrize("ranges", [True, False])
def test_it_gives_up_when_a_retry_gets_no_further(tmp_path, site, ranges):
    site.ranges = ranges
    site.cuts = [50_000, 0 if ranges else 50_000]
    with pytest.raises(DownloadError, match="50,000 of 99,849 bytes are kept"):
        obtain(remote(site), tmp_path)
    assert len(site.seen) == 2


def test_it_gives_up_when_what_there_is_gets_no_longer(tmp_path, site):
    begun(tmp_path, CONTENT[:30_000])
    site.cuts = [0]
    with pytest.raises(DownloadError, match="30,000 of 99,849 bytes are kept"):
        obtain(remote(site), tmp_path)
    assert len(site.seen) == 1


def test_a_complete_part_only_has_to_be_verified(tmp_path, site, capsys):
    begun(tmp_path, CONTENT)
    assert obtain(remote(site), tmp_path).read_bytes() == CONTENT
    assert site.seen == [Seen(f"bytes={SIZE}-", '"v1"', 0)]
    assert names(tmp_path) == WHOLE
    assert "downloading" not in capsys.readouterr().out


def test_a_part_longer_than_the_file_is_started_over(tmp_path, site):
    begun(tmp_path, CONTENT + b"more")
    assert obtain(remote(site), tmp_path).read_bytes() == CONTENT
    assert site.seen[1:] == [Seen(None, None, SIZE)]


def test_another_range_than_asked_for_is_refused(tmp_path, site):
    begun(tmp_path, CONTENT[:30_000])
    site.shift = 1
    with pytest.raises(DownloadError, match="'bytes 30001-99848' instead of the bytes from 30000"):
        obtain(remote(site), tmp_path)
    assert (tmp_path / "big.zip.part").read_bytes() == CONTENT[:30_000]


@pytest.mark.parametrize("status", [403, 404, 416, 500])
def test_a_refusal_names_address_reason_and_remedy(tmp_path, site, status):
    site.status = status
    with pytest.raises(DownloadError) as caught:
        obtain(remote(site), tmp_path)
    for words in (site.url, f"HTTP Error {status}", f"put it at {tmp_path}/big.zip,", "data.path"):
        assert words in str(caught.value)
    assert names(tmp_path) == []


def test_a_refusal_keeps_what_there_is(tmp_path, site):
    begun(tmp_path, CONTENT[:30_000])
    site.status = 503
    with pytest.raises(DownloadError, match="503.*30,000 of 99,849 bytes are kept"):
        obtain(remote(site, SIZE), tmp_path)
    assert names(tmp_path) == PARTIAL


def test_no_network_names_address_reason_and_remedy(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/"
    with pytest.raises(DownloadError) as caught:
        obtain(Remote(url, "big.zip", None, None, LICENCE), tmp_path)
    for words in (url, "Connection refused)", "([Errno ", f"put it at {tmp_path}/big.zip,"):
        assert words in str(caught.value)


def test_another_size_on_the_server_is_refused_at_once(tmp_path, site, capsys):
    with pytest.raises(DownloadError, match="has 99,849 bytes, expected 99,850"):
        obtain(remote(site, SIZE + 1), tmp_path)
    assert names(tmp_path) == []
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("size", [SIZE - 1, SIZE + 1])
def test_another_size_than_published_is_deleted(tmp_path, site, size):
    site.length = False  # so that it shows at the end only
    with pytest.raises(DownloadError, match=f"99,849 bytes, expected {size:,}.*it was deleted"):
        obtain(remote(site, size), tmp_path)
    assert names(tmp_path) == []


def test_a_file_of_unknown_size_ends_with_the_answer(tmp_path, site, capsys):
    site.length = False
    assert obtain(remote(site), tmp_path).read_bytes() == CONTENT
    assert "(size unknown; " in capsys.readouterr().out


@pytest.mark.parametrize("digest", [f"md5:{'0' * 32}", f"sha256:{'0' * 64}"])
def test_another_digest_than_published_is_deleted(tmp_path, site, digest):
    algorithm, _, hexes = digest.partition(":")
    found = {"md5": MD5, "sha256": SHA256}[algorithm]
    with pytest.raises(DownloadError, match=f"{algorithm} {found}.*{hexes}; it was deleted"):
        obtain(remote(site, SIZE, digest), tmp_path)
    assert names(tmp_path) == []


def test_what_is_there_must_fit_what_is_published(tmp_path, site):
    path = tmp_path / "big.zip"
    path.write_bytes(CONTENT)
    with pytest.raises(DownloadError, match=f"md5 {MD5}, its owners publish {'0' * 32}; delete"):
        obtain(remote(site, SIZE, f"md5:{'0' * 32}"), tmp_path)
    with pytest.raises(DownloadError, match=r"99,849 bytes, expected 99,850 \(truncated\?\)"):
        obtain(remote(site, SIZE + 1), tmp_path)
    assert names(tmp_path) == ["big.zip"]  # the user's own, and not pinned
    obtain(remote(site, SIZE, f"sha256:{SHA256.upper()}"), tmp_path)
    assert names(tmp_path) == WHOLE
    assert site.seen == []


def test_an_unchanged_file_is_read_once(tmp_path, site, monkeypatch):
    def read(*args):
        raise AssertionError("it was read")

    path = obtain(remote(site, SIZE, f"md5:{MD5}"), tmp_path)
    monkeypatch.setattr(published_files, "_digests", read)
    for _ in range(2):
        assert obtain(remote(site, SIZE, f"md5:{MD5}"), tmp_path) == path
    assert len(site.seen) == 1
    with pytest.raises(DownloadError, match="truncated"):  # the size is looked at all the same
        verify(path, remote(site, SIZE + 1))
    age(tmp_path / "big.zip.sha256")
    os.utime(path)
    with pytest.raises(AssertionError, match="it was read"):
        verify(path, remote(site, SIZE))


def test_a_touched_file_is_read_once_more(had, site, monkeypatch):
    read, digests = [], published_files._digests
    monkeypatch.setattr(
        published_files, "_digests", lambda *args: read.append(args) or digests(*args)
    )
    os.utime(had)
    verify(had, remote(site))
    verify(had, remote(site))
    assert len(read) == 1


def test_a_pin_that_cannot_be_touched_does_no_harm(had, site, monkeypatch):
    def refused(*args):
        raise PermissionError

    had.touch()
    monkeypatch.setattr(os, "utime", refused)
    verify(had, remote(site))


@pytest.mark.parametrize("old", [True, False])
def test_a_changed_file_is_refused_until_its_pin_is_deleted(had, site, old, capsys):
    had.write_bytes(OTHER)
    if old:
        os.utime(had, ns=(0, 0))  # as wget leaves it, with the server's time
    pin = had.with_name("big.zip.sha256")
    for _ in range(2):
        with pytest.raises(DownloadError) as caught:
            obtain(remote(site), had.parent)
        for words in (OTHER_SHA256, SHA256, f"Delete {had} to download", f"delete {pin}"):
            assert words in str(caught.value)
    assert pin.read_text() == f"{SHA256}  big.zip\n"
    pin.unlink()
    obtain(remote(site), had.parent)
    assert pin.read_text() == f"{OTHER_SHA256}  big.zip\n"
    assert site.seen == []


def test_a_download_must_fit_the_pin_of_before(had, site):
    pin = had.with_name("big.zip.sha256")
    had.unlink()
    site.content = OTHER
    with pytest.raises(DownloadError, match=f"{OTHER_SHA256}.*{SHA256}.*Delete .*big.zip.part to"):
        obtain(remote(site), had.parent)
    assert not had.exists()
    pin.unlink()  # the new one is right; it is not downloaded twice
    assert obtain(remote(site), had.parent).read_bytes() == OTHER
    assert [seen.sent for seen in site.seen] == [SIZE, 0]
    assert pin.read_text() == f"{OTHER_SHA256}  big.zip\n"


def test_a_download_that_fits_the_pin_of_before_is_not_read_again(had, site, monkeypatch):
    had.unlink()
    obtain(remote(site), had.parent)
    monkeypatch.setattr(published_files, "_digests", None)
    obtain(remote(site), had.parent)
    assert len(site.seen) == 1


def test_too_small_a_disk_is_refused_at_once(tmp_path, site, monkeypatch, capsys):
    begun(tmp_path, CONTENT[:30_000])
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(SIZE - 30_001))
    with pytest.raises(DownloadError, match=r"needs 69\.8 kB.* has 69\.8 kB free; make room"):
        obtain(remote(site), tmp_path)
    assert (tmp_path / "big.zip.part").stat().st_size == 30_000
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(SIZE - 30_000))
    obtain(remote(site), tmp_path)


@pytest.mark.parametrize(
    ("size", "words"), [(2_949_999_999, "2.9 GB"), (1_500_000, "1.5 MB"), (512, "0.5 kB")]
)
def test_size_and_licence_are_said_before_the_first_byte(
    tmp_path, site, monkeypatch, capsys, size, words
):
    def save(*args):
        out.append(capsys.readouterr().out)
        raise KeyboardInterrupt

    out = []
    site.length = False
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: namedtuple("usage", "free")(10**12))
    monkeypatch.setattr(download, "_save", save)
    with pytest.raises(KeyboardInterrupt):
        obtain(remote(site, size), tmp_path)
    path = tmp_path / "big.zip"
    assert out == [f"downloading {site.url} ({words}; licence: {LICENCE}) to {path}\n"]


@pytest.mark.parametrize("terminal", [True, False])
def test_the_bar_starts_where_the_part_ends(tmp_path, site, monkeypatch, terminal):
    begun(tmp_path, CONTENT[:30_000])
    error = io.StringIO()
    error.isatty = lambda: terminal
    monkeypatch.setattr(sys, "stderr", error)
    obtain(remote(site), tmp_path)
    bars = error.getvalue().split("\r")
    if terminal:
        assert "big.zip:  30%" in bars[1] and "30.0k/99.8k" in bars[1]
        assert "99.8k/99.8k" in bars[-1]
    else:
        assert bars == [""]


def test_a_folder_that_cannot_be_written_is_an_error_of_its_own(tmp_path, site):
    (tmp_path / "file").write_text("")
    with pytest.raises(DownloadError, match="cannot read or write .*file/big.zip.*data.path"):
        obtain(remote(site), tmp_path / "file")


@pytest.mark.parametrize("url", ["ftp://host/big.zip", "file:///etc/passwd", "big.zip"])
def test_only_http_is_downloaded(url):
    with pytest.raises(ValueError, match="expected an http or https address, got"):
        Remote(url, "big.zip", None, None, LICENCE)
