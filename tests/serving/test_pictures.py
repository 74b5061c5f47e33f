"""The guard: what opens, what does not, and what may be fetched from where."""

from __future__ import annotations

import io
import socket
import ssl
import struct
import threading
import time
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from chiasm.backends import local_prompts
from chiasm.processing.pictures import PictureLimits, open_picture
from chiasm.serving import fetching, pictures
from chiasm.serving.faults import Refused
from chiasm.serving.fetching import Address, Fetching, is_public, read_address, resolved
from chiasm.serving.pictures import PictureGuard
from tests.backends.tiny import assistant
from tests.serving.hostile_requests import BAD_DATA_URLS
from tests.serving.running import data_url, png, question, running


def huge_png(width: int, height: int) -> bytes:
    """A PNG whose header promises so many pixels, with next to nothing behind it."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


def animated(frames: int) -> bytes:
    buffer = io.BytesIO()
    pictures = [Image.new("P", (8, 8), i % 256) for i in range(frames)]
    pictures[0].save(buffer, "GIF", save_all=True, append_images=pictures[1:])
    return buffer.getvalue()


BAD = [
    *BAD_DATA_URLS,
    (data_url(b"GIF89a"), "neither side"),
    (data_url(png()[:60]), "damaged"),
    (data_url(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), "SVG"),
    (data_url(b"<html>"), "not an image"),
    (data_url(b"%PDF-1.7"), "PDF"),
    (data_url(png(kind="TIFF")), "TIFF"),
    (data_url(huge_png(60_000, 10)), "neither side"),
    (data_url(huge_png(60_000, 60_000)), "pixels"),
    (data_url(huge_png(9_000, 9_000)), "pixels"),
    (data_url(huge_png(0, 10)), "damaged"),
]


@pytest.mark.parametrize(("url", "why"), BAD, ids=lambda value: str(value)[:40])
def test_a_bad_picture_is_refused_with_a_reason(url: str, why: str) -> None:
    begun = time.monotonic()
    with pytest.raises(Refused, match=why) as caught:
        PictureGuard().open([data_url(png()), url])
    assert (caught.value.status, caught.value.param) == (400, "messages")
    assert str(caught.value).startswith("picture 2: ")
    assert time.monotonic() - begun < 2


def test_size_is_told_by_length_before_anything_is_decoded() -> None:
    guard = PictureGuard(limits=PictureLimits(max_bytes=1000))
    with pytest.raises(Refused, match="1,000 bytes allowed"):
        guard.check(["data:image/png;base64," + "!" * 2000])


def test_good_pictures_come_through_as_they_are() -> None:
    contents = [png(kind=kind) for kind in ("PNG", "JPEG", "WEBP", "GIF", "BMP")] + [animated(300)]
    assert PictureGuard().open([data_url(content, "image/x-unknown") for content in contents]) == contents


def test_all_pictures_together_have_a_bound_of_pixels() -> None:
    urls = [data_url(png(i, (100, 100), "JPEG")) for i in ("red", "blue", "green")]
    guard = PictureGuard(max_total_pixels=25_000)
    assert len(guard.open(urls[:2])) == 2
    for _ in range(2):
        with pytest.raises(Refused, match="picture 3: all pictures together have more than 25,000"):
            guard.open(urls)
    with pytest.raises(Refused, match="picture 3: all pictures together"):  # known content counts as well
        guard.open([urls[0]] * 3)


def test_what_has_been_opened_is_known_at_once() -> None:
    content, other = png(), png("blue", (100, 100))
    urls = [data_url(content), data_url(other)]
    guard = PictureGuard(max_total_pixels=15_000)
    assert guard.known(urls) is None
    guard.open(urls[:1])
    assert guard.known(urls[:1]) == [content]
    assert guard.known(urls) is None
    guard.open(urls)
    assert guard.known(urls) == [content, other]
    assert guard.known([*urls, urls[1]]) is None  # together too many pixels: `open` says so
    assert guard.known(["data:image/png;base64,###"]) is None
    assert guard.known(["https://images.example.org/a.png"]) is None
    assert guard.known(urls * 1000) is None


def test_what_is_kept_open_counts_all_the_same() -> None:
    guard = PictureGuard(max_total_pixels=25_000, opens=lambda content, limits: (200, 200))
    with pytest.raises(Refused, match="picture 1: all pictures together have more than 25,000"):
        guard.open([data_url(png())])


def test_a_picture_is_opened_once_for_guard_and_model(monkeypatch: pytest.MonkeyPatch) -> None:
    model, opened = assistant(), list[object]()

    def counted(source: object, *limits: Any, **names: Any) -> Image.Image:
        opened.append(source)
        return open_picture(source, *limits, **names)

    monkeypatch.setattr(pictures, "open_picture", counted)
    monkeypatch.setattr(local_prompts, "open_picture", counted)
    content = png()
    with running(model, pictures=PictureGuard(opens=model.open_ahead)) as server:
        for _ in range(2):
            assert server.ask(question("What is this?", data_url(content), max_tokens=2))[0] == 200
        status, refused = server.ask(question("What is this?", data_url(content[:60]), max_tokens=2))
    assert opened == [content, content[:60]]
    assert (status, refused["error"]["code"]) == (400, "invalid_image_damaged")


NOT_PUBLIC = """
127.0.0.1 10.1.2.3 172.16.0.1 172.31.255.255 192.168.1.1 169.254.169.254 100.64.0.1 198.18.0.1 0.0.0.0 224.0.0.1
240.0.0.1 255.255.255.255 192.0.2.1 ::1 :: fe80::1 fc00::1 fd00::1 ff02::1 ::ffff:8.8.8.8 ::8.8.8.8 64:ff9b::808:808
64:ff9b:1::1 2002:808:808:: 2001:0:808:808:: 2001:db8::1 fe80::1%eth0 8.8.8 x
"""


@pytest.mark.parametrize("address", NOT_PUBLIC.split())
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(address)


def test_addresses_that_are_public() -> None:
    assert is_public("8.8.8.8")
    assert is_public("2606:4700::1111")


def test_one_reading_of_an_address() -> None:
    domains = frozenset({"a.test"})
    assert read_address("https://a.test/x.png?y=%20#", domains) is None
    assert read_address("https://a.test/x.png?y=%20", domains) == Address("a.test", "/x.png?y=%20")
    assert read_address("https://a.test:443", domains) == Address("a.test", "/")
    assert read_address("https://A.test/", domains) is None


def _answers(*addresses: str) -> Any:
    return lambda *_, **__: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in addresses]


def test_a_name_with_one_private_address_is_not_dialled(monkeypatch: pytest.MonkeyPatch) -> None:
    for addresses in (["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["8.8.8.8", "::1"], []):
        monkeypatch.setattr(socket, "getaddrinfo", _answers(*addresses))
        with pytest.raises(OSError, match="not a public address"):
            resolved("a.test")
    monkeypatch.setattr(socket, "getaddrinfo", _answers("8.8.8.8", "8.8.4.4"))
    assert resolved("a.test") == "8.8.8.8"


class _Plain:
    """In the place of TLS: the connection as it is. Only what happens inside is under test."""

    def wrap_socket(self, plain: socket.socket, server_hostname: str) -> socket.socket:
        assert server_hostname == "a.test"
        return plain


@pytest.mark.parametrize(
    ("reply", "fetched"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", b"abc"),
        (b"HTTP/1.1 200 OK\r\n\r\nabc", b"abc"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", None),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\nabc", None),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"a" * 5000, None),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nabc", None),
        (b"HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1/\r\n\r\n", None),
        (b"HTTP/1.1 404 Not Found\r\n\r\nsecret", None),
        (b"HTTP/1.1 500 Oops\r\n\r\n", None),
        (b"garbage", None),
        (b"", None),
        (b"HTTP/1.1 200 OK\r\nX: slow", "slow"),
        (b"HTTP/1.1 200 OK\r\n\r\nslow", "slow"),
    ],
)
def test_what_is_fetched_has_bounds(monkeypatch: pytest.MonkeyPatch, reply: bytes, fetched: Any) -> None:
    """The other side is this process; the check of its address, which would refuse it, is under test above."""
    ours, theirs = socket.socketpair()
    dialled: list[str] = []

    def dial(ip: str, seconds: float) -> socket.socket:
        dialled.append(ip)
        ours.settimeout(seconds)
        return ours

    monkeypatch.setattr(socket, "getaddrinfo", _answers("8.8.8.8"))
    monkeypatch.setattr(fetching, "dialled", dial)

    def serve() -> None:
        request = theirs.recv(4096)
        assert request.startswith(b"GET /x.png HTTP/1.1\r\nHost: a.test\r\n")
        theirs.sendall(reply)
        if fetched != "slow":
            theirs.close()

    thread = threading.Thread(target=serve)
    thread.start()
    begun = time.monotonic()
    fetch = Fetching(Address("a.test", "/x.png"), 1000, 0.3, _Plain())  # type: ignore[arg-type]
    try:
        if isinstance(fetched, bytes):
            assert fetch.run() == fetched
        else:
            with pytest.raises(OSError):
                fetch.run()
    finally:
        thread.join()
        theirs.close()
    assert dialled == ["8.8.8.8"]
    assert time.monotonic() - begun < 2


def test_what_went_wrong_over_there_is_not_told() -> None:
    def fetch(url: str, domains: frozenset[str], most: int) -> bytes:
        raise ssl.SSLError("upstream says: secret")

    guard = PictureGuard(domains=frozenset({"a.test"}), fetch=fetch)
    with pytest.raises(Refused) as caught:
        guard.open(["https://a.test/x.png"])
    assert str(caught.value) == "picture 1: could not fetch image"


def test_fetched_pictures_are_judged_like_others(tmp_path: Path) -> None:
    guard = PictureGuard(domains=frozenset({"a.test"}), fetch=lambda *_: b"<html>")
    with pytest.raises(Refused, match="not an image"):
        guard.open(["https://a.test/x.png"])


def test_no_more_urls_are_kept_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    urls = [data_url(png("red", (40, 40 + n))) for n in range(12)]
    monkeypatch.setattr(pictures, "_KEPT", 3 * max(map(len, urls)))
    guard = PictureGuard()
    for url in [*urls, urls[-1]]:
        guard.open([url])
    assert [url for url in urls if guard.known([url])] == urls[-len(guard._kept) :]
    assert 3 <= len(guard._kept) < 6
    often = next(iter(guard._kept))
    assert guard.known([often])  # asked about again: the last to go
    guard.open([urls[0]])
    assert guard.known([often])
    assert guard._num_kept == sum(map(len, guard._kept))
