"""Requests nobody in good faith would send, as tables: for tests of what becomes of each, and for `bench.hostile`."""

from __future__ import annotations

import contextlib
import socket
from typing import Any

from tests.serving.running import data_url, png


def raw(port: int, sent: bytes, *more: bytes) -> bytes:
    """All that comes back for `sent`, byte for byte, until the other side closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        received = b""
        with contextlib.suppress(ConnectionError):  # closed while more was on its way
            for piece in (sent, *more):
                connection.sendall(piece)
        with contextlib.suppress(ConnectionError):
            while piece := connection.recv(65536):
                received += piece
        return received


def post(body: bytes, *headers: bytes) -> bytes:
    """A question as it is written to a connection; how long `body` is stays to be said in `headers`."""
    lines = [b"POST /v1/chat/completions HTTP/1.1", b"Host: localhost", b"Content-Type: application/json", *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


# Fields of a request and, of what is wrong with them, the name.
BAD_FIELDS: list[tuple[dict[str, Any], str]] = [
    ({"max_tokens": 0}, "max_tokens"),
    ({"max_tokens": -1}, "max_tokens"),
    ({"max_tokens": 1.5}, "max_tokens"),
    ({"max_tokens": "5"}, "max_tokens"),
    ({"max_completion_tokens": True}, "max_completion_tokens"),
    ({"temperature": -0.1}, "temperature"),
    ({"temperature": 2.1}, "temperature"),
    ({"temperature": "1"}, "temperature"),
    ({"temperature": True}, "temperature"),
    ({"top_p": 0}, "top_p"),
    ({"top_p": 1.01}, "top_p"),
    ({"seed": 2**63}, "seed"),
    ({"seed": "7"}, "seed"),
    ({"n": 0}, "n"),
    ({"n": 10**9}, "n"),
    ({"best_of": 2}, "best_of"),
    ({"logprobs": True}, "logprobs"),
    ({"logprobs": 10**6}, "logprobs"),
    ({"top_logprobs": 3}, "top_logprobs"),
    ({"stop": ""}, "stop"),
    ({"stop": [""]}, "stop[0]"),
    ({"stop": ["a"] * 10_000}, "stop"),
    ({"stop": "x" * 1_000_000}, "stop"),
    ({"stop": [1]}, "stop[0]"),
    ({"stop": "\ud800"}, "stop"),
    ({"stream": "yes"}, "stream"),
    ({"stream_options": {"include_usage": True}}, "stream_options"),
    ({"stream": True, "stream_options": "usage"}, "stream_options"),
    ({"tools": [{"type": "function"}] * 129}, "tools"),
    ({"tools": ["look"]}, "tools[0]"),
    ({"tools": [{"type": "function"}], "tool_choice": "required"}, "tool_choice"),
    ({"response_format": {"type": "json_object"}}, "response_format"),
    ({"presence_penalty": 1}, "presence_penalty"),
    ({"logit_bias": {"5": 1}}, "logit_bias"),
    ({"messages": []}, "messages"),
    ({"messages": "Hello"}, "messages"),
    ({"messages": None}, "messages"),
    ({"messages": [{"role": "user"}]}, "messages[0].content"),
    ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0]"),
    ({"messages": [{"role": "user", "content": None}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": ""}]}, "messages"),
    ({"messages": [{"role": "user", "content": "\ud800"}]}, "messages"),
    ({"messages": [{"role": "assistant", "content": "x"}]}, "messages"),
    ({"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]}, "messages"),
    ({"messages": [{"role": "user", "content": [{"type": "audio", "text": "x"}]}]}, "messages[0].content[0]"),
]

# What may stand in for a picture's address.
NO_ADDRESSES: list[Any] = ["", None, 3, {}, {"uri": "x"}, {"url": None}, {"url": ""}, {"url": ["x"]}, []]

# What is no JSON object.
BAD_BODIES = [
    b"",
    b"null",
    b"[]",
    b"{",
    b"\xff\xfe",
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b'{"model":"tiny","messages":' + b"[" * 900 + b"]" * 900 + b"}",
    b'{"temperature": 1e999}',
    b'{"temperature": NaN}',
    b'{"max_tokens": ' + b"9" * 100_000 + b"}",
    b"{" + b",".join(b'"%d":0' % i for i in range(300_000)) + b"}",
]

# Lengths, heads and hosts that are wrong, and the status of what comes back.
BAD_FRAMES = [
    (post(b"{}", b"Content-Length: -1"), b"400"),
    (post(b"{}", b"Content-Length: x"), b"400"),
    (post(b"{}", b"Content-Length: 2", b"Content-Length: 3"), b"400"),
    (post(b"2\r\n{}\r\n0\r\n\r\n", b"Content-Length: 2", b"Transfer-Encoding: chunked"), b"400"),
    (post(b"{", b"Content-Length: 50"), b"408"),
    (b"GARBAGE\r\n\r\n", b"400"),
    (b"GET /health HTTP/1.1\r\nConnection: close\r\nHost: a/?x=\r\n\r\n", b"400"),
    (b"GET /health HTTP/1.1\r\nConnection: close\r\nHost: evil.example\r\n\r\n", b"400"),
    (b"GET /health HTTP/1.1\r\nConnection: close\r\n\r\n", b"400"),
    (b"GET /health HTTP/1.0\r\n\r\n", b"200"),
]

# Paths and methods, and their status; None: the page, where there is one.
BAD_PATHS = [
    ("GET", "//v1/models", 404),
    ("GET", "/V1/models", 404),
    ("GET", "/v1/../health", 404),
    ("GET", "/%76%31/models", 404),
    ("GET", "/v1%2fmodels", 404),
    ("GET", "/../../etc/passwd", 404),
    ("GET", "/static/..%2fapp.py", 404),
    ("GET", "/static/../app.py", 404),
    ("GET", "/file=/etc/passwd", 404),
    ("GET", "/.git/config", 404),
    ("GET", "/v1/models/", 404),
    ("GET", "/?redirect=//evil", None),
    ("GET", "/v1/chat/completions", 405),
    ("PUT", "/v1/chat/completions", 405),
    ("OPTIONS", "/v1/chat/completions", 405),
    ("TRACE", "/v1/models", 405),
    ("DELETE", "/v1/models/tiny", 405),
    ("HEAD", "/health", 200),
]

# Addresses that would make the server ask somebody, each in another disguise.
ADDRESSES = [
    "file:///etc/passwd",
    "file://localhost/etc/passwd",
    "file:relative.png",
    "FILE:/etc/passwd",
    r"C:\Windows\x.png",
    r"\\host\share\x.png",
    "/etc/passwd",
    "x.png",
    *(f"{scheme}://allowed.test/x.png" for scheme in ("ftp", "gopher", "dict", "chrome", "http", "ws", "ldap")),
    "jar:https://allowed.test/x!/y",
    "blob:https://allowed.test/x",
    "javascript:alert(1)",
    "view-source:https://allowed.test/",
    *(
        f"https://{host}/x.png"
        for host in (
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0177.0.0.1",
            "0",
            "localhost",
            "localhost.",
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[64:ff9b::7f00:1]",
            "[2002:7f00:1::]",
            "[fe80::1]",
            "[fc00::1]",
            "169.254.169.254",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.0.1",
            "100.64.0.1",
            "198.18.0.1",
            "224.0.0.1",
            "metadata.google.internal",
            "allowed.test.",
            "allowed.test.evil.example",
            "evil-allowed.test",
            "sub.allowed.test",
            "allowed%2etest",
            "ａllowed.test",
            "allowed。test",
            "xn--allowed-test",
            "user@allowed.test",
            "allowed.test@127.0.0.1",
            r"allowed.test\@127.0.0.1",
            "127.0.0.1#@allowed.test",
            r"allowed.test:443\.evil",
            "allowed.test:22",
            "allowed.test:6379",
            "allowed.test:80",
            "allowed.test\t",
            "allowed\r\n.test",
            " allowed.test",
        )
    ),
    "https:allowed.test/x",
    "https:///allowed.test/x",
    "https://allowed.test/x y",
    "https://allowed.test/\r\nHost: evil",
    "https://allowed.test/x#fragment",
    "https://allowed.test/" + "x" * 3000,
]

_GOOD = data_url(png())
# Data URLs that hold no picture, and why.
BAD_DATA_URLS = [
    ("data:image/png;base64", "must look like"),
    ("data:image/png,abc", "must look like"),
    ("data:text/html;base64,PGI+", "must look like"),
    ("data:;base64,aaaa", "must look like"),
    ("data:image/png;charset=x;base64,aaaa", "must look like"),
    ("data:image/png;base64,", "no bytes"),
    ("data:image/png;base64,!!!!", "not valid base64"),
    (_GOOD[:60] + "\n" + _GOOD[60:], "not valid base64"),
    (_GOOD[:60] + " " + _GOOD[60:], "not valid base64"),
    ("data:image/png;base64,_-_-", "not valid base64"),
    ("data:image/png;base64,abcde", "not valid base64"),
    ("data:image/png;base64,视交叉", "not valid base64"),
]
