"""Fetching by address: what is refused before anything is asked, and a server that does everything wrong."""

from __future__ import annotations

import http.client
import http.server
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from chiasm.cli.fetched_picture import Connect, fetch, public_address
from chiasm.errors import UserError


class Server(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/moved":
            self.send_response(302)
            self.send_header("Location", self.path.partition("?")[2])
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(404 if path == "/none" else 200)
        body = {"/big": b"x" * 5000}.get(path, f"picture {self.path}".encode())
        self.send_header("Content-Length", str(len(body) + 100 if path in ("/short", "/slow") else len(body)))
        self.end_headers()
        self.wfile.write(body)
        for _ in range(200 if path == "/slow" else 0):
            self.wfile.write(b".")
            time.sleep(0.05)
        self.close_connection = path in ("/short", "/slow")

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def connect() -> Iterator[Connect]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield lambda host, port: http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=5)
    server.shutdown()
    thread.join()
    server.server_close()


def test_bytes_come_back_also_through_redirects(connect: Connect) -> None:
    assert fetch("https://a.b/x.jpg?w=1&h=2", connect) == b"picture /x.jpg?w=1&h=2"
    assert fetch("https://a.b/猫 图.jpg", connect) == b"picture /%E7%8C%AB%20%E5%9B%BE.jpg"
    assert fetch("https://a.b/moved?https://c.d/y.png", connect) == b"picture /y.png"
    assert fetch("https://a.b/moved?/z.png", connect) == b"picture /z.png"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://a.b/none", "answered 404"),
        ("https://a.b/big", "more than 0.00"),
        ("https://a.b/short", "early"),
        ("https://a.b/slow", "not fetched within 0.4 seconds|early"),
        ("https://a.b/moved?/moved?/moved", "redirect|answered"),
        ("https://a.b/moved?http://a.b/x.jpg", "only https"),
        ("https://a.b/moved?file:///etc/passwd", "only https"),
        ("http://a.b/x.jpg", "only https"),
        ("https:///x.jpg", "only https"),
        ("https://me:secret@a.b/x.jpg", "name or password"),
        ("https://a.b:99999/x.jpg", "not an address"),
        ("https://[::1/x.jpg", "not an address"),
        ("https://a.b/x\r\ny.jpg", "."),
    ],
)
def test_what_goes_wrong_is_one_line(url: str, said: str, connect: Connect) -> None:
    begin = time.monotonic()
    if "\r" in url:  # no header can be smuggled in
        assert fetch(url, connect) == b"picture /xy.jpg"
        return
    with pytest.raises(UserError, match=said) as error:
        fetch(url, connect, seconds=0.4, max_bytes=4000)
    assert time.monotonic() - begin < 3
    assert "secret" not in str(error.value)


_INSIDE = """
127.0.0.1 10.1.2.3 192.168.0.1 169.254.169.254 100.64.0.1 0.0.0.0 224.0.0.1
::1 fe80::1%eth0 fc00::1 ::ffff:127.0.0.1 2002:7f00:1:: ff02::1
"""


@pytest.mark.parametrize("address", _INSIDE.split())
def test_only_public_addresses_are_asked(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def looked_up(*_: object, **__: object) -> list[tuple[object, ...]]:
        return [(0, 0, 0, "", ("93.184.215.14", 443)), (0, 0, 0, "", (address, 443))]

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: pytest.fail("a connection was attempted"))
    with pytest.raises(UserError, match="not a public address"):
        fetch("https://innocent.example/x.jpg")


def test_a_public_address_is_taken_as_it_was_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", ("93.184.215.14", 443))])
    assert public_address("a.b", 443) == "93.184.215.14"

    def unknown(*_: object, **__: object) -> object:
        raise socket.gaierror("no")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(UserError, match="no such host"):
        public_address("nowhere.invalid", 443)
