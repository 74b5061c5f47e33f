"""Requests nobody in good faith would send: refused with a reason, in no time, and nothing leaks or is left behind."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from chiasm.backends.scripted import ScriptedChatModel
from chiasm.serving.pictures import PictureGuard
from tests.serving.running import NAME, Running, data_url, png, question, running


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running(ScriptedChatModel(["Fine."]), max_body_bytes=4_000_000, body_seconds=0.5) as server:
        yield server


def raw(server: Running, sent: bytes, *more: bytes) -> bytes:
    """All that comes back for `sent`, byte for byte, until the other side closes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        received = b""
        with contextlib.suppress(ConnectionError):  # closed while more was on its way
            for piece in (sent, *more):
                connection.sendall(piece)
        with contextlib.suppress(ConnectionError):
            while piece := connection.recv(65536):
                received += piece
        return received


def post(body: bytes, *headers: bytes) -> bytes:
    lines = [b"POST /v1/chat/completions HTTP/1.1", b"Host: localhost", b"Content-Type: application/json", *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


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


@pytest.mark.parametrize(("fields", "param"), BAD_FIELDS, ids=lambda value: str(value)[:60])
def test_a_wrong_field_is_named(server: Running, fields: dict[str, Any], param: str) -> None:
    status, reply = server.ask({**question(), **fields})
    assert (status, reply["error"]["type"], reply["error"]["param"]) == (400, "invalid_request_error", param)
    assert reply["error"]["message"]


@pytest.mark.parametrize("url", ["", None, 3, {}, {"uri": "x"}, {"url": None}, {"url": ""}, {"url": ["x"]}, []])
def test_a_picture_without_address_is_refused(server: Running, url: object) -> None:
    content = [{"type": "image_url", "image_url": url}]
    status, reply = server.ask({"model": NAME, "messages": [{"role": "user", "content": content}]})
    assert status == 400
    assert reply["error"]["param"].startswith("messages[0].content[0].image_url")


@pytest.mark.parametrize(
    "body",
    [
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
    ],
    ids=lambda body: str(body[:30]),
)
def test_what_is_no_json_object_is_refused_at_once(server: Running, body: bytes) -> None:
    begun = time.monotonic()
    status, reply = server.ask(body)
    assert status == 400
    assert time.monotonic() - begun < 1
    assert "error" in reply


def test_unknown_fields_act_on_nothing(server: Running) -> None:
    ignored = {"chat_template": "{{ 1 / 0 }}", "chat_template_kwargs": {}, "api_base": "http://x", "extra_body": {}}
    assert server.ask(question(**ignored, user="me", metadata={}))[0] == 200


@pytest.mark.parametrize("name", ["gpt-4o", "../../x", "", None, "tiny/../tiny"])
def test_other_models_are_not_found(server: Running, name: str | None) -> None:
    status, reply = server.ask({**question(), "model": name})
    assert (status, reply["error"]["code"]) == (404, "model_not_found")


@pytest.mark.parametrize(
    "kind", [None, "text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded"]
)
def test_only_json_is_read(server: Running, kind: str | None) -> None:
    headers = {} if kind is None else {"Content-Type": kind}
    status, _, _ = server.send("POST", "/v1/chat/completions", json.dumps(question()), headers)
    assert status == 415


def test_large_bodies_are_not_read_to_their_end(server: Running) -> None:
    assert server.ask(question("x" * 4_000_001))[0] == 413
    claimed = raw(server, post(b"", b"Content-Length: 100000000000"))
    assert claimed.startswith(b"HTTP/1.1 413")
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
    assert raw(server, post(b"", b"Transfer-Encoding: chunked") + chunk * 70 + b"0\r\n\r\n").startswith(b"HTTP/1.1 413")
    assert raw(server, post(b"", b"Transfer-Encoding: chunked"), *[chunk] * 2000)[:12] in (b"", b"HTTP/1.1 413")
    server.wait_until(lambda: server.server._house.bodies.num_held == 0)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
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
    ],
)
def test_framing(server: Running, sent: bytes, status: bytes) -> None:
    assert raw(server, sent).split(b" ", 2)[1] == status


def test_a_head_without_end_is_closed(server: Running) -> None:
    head = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"
    assert raw(server, head, *[b"X: " + b"a" * 1000 + b"\r\n"] * 1000)[:12] in (b"", b"HTTP/1.1 400")
    assert raw(server, head + b"X: " + b"a" * 1_000_000)[:12] in (b"", b"HTTP/1.1 400")


def test_requests_in_a_row_are_answered_in_a_row(server: Running) -> None:
    bad, good = post(b"{}", b"Content-Length: 2"), b"GET /health HTTP/1.1\r\nHost: localhost\r\n"
    received = raw(server, bad + good + b"\r\n" + good + b"Connection: close\r\n\r\n")
    assert re.findall(rb"HTTP/1.1 (\d+)", received) == [b"400", b"200", b"200"]


def test_the_body_is_asked_for_only_where_it_is_wanted(server: Running) -> None:
    refused = raw(server, post(b"", b"Content-Length: 100000000", b"Expect: 100-continue"))
    assert refused.startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
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
    ],
)
def test_paths_and_methods(server: Running, method: str, path: str, status: int | None) -> None:
    found, headers, _ = server.send(method, path, headers={"X-Original-URL": "/health", "X-Forwarded-Host": "evil"})
    assert found == status if status else found in (200, 404)
    assert "location" not in headers
    assert "access-control-allow-origin" not in headers
    assert headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in headers["content-security-policy"]


def test_a_key_is_needed_everywhere_but_at_the_door() -> None:
    with running(ScriptedChatModel(["Fine."]), keys=("Schlüssel-1", "key2")) as server:

        def status(path: str, *authorization: bytes) -> bytes:
            lines = b"".join(b"Authorization: " + value + b"\r\n" for value in authorization)
            sent = b"GET " + path.encode() + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + lines + b"\r\n"
            return raw(server, sent).split(b" ", 2)[1]

        for given in ([b"Bearer key2"], [b"bearer key2"], ["Bearer Schlüssel-1".encode()]):
            assert status("/v1/models", *given) == b"200"
        for given in (
            [],
            [b"Bearer"],
            [b"Bearer "],
            [b"Bearer key"],
            [b"Bearer key22"],
            [b"Basic key2"],
            [b"key2"],
            [b"Bearer key2", b"Bearer key2"],
            [b"Bearer \xff"],
        ):
            assert status("/v1/models", *given) == b"401", given
        for path in ("/metrics", "/openapi.json", "/v1/models?key=key2", "/nothing"):
            assert status(path) == b"401", path
        assert status("/health") == b"200"
        assert server.ask(question())[0] == 401


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
_watched: list[tuple[Any, ...]] = []
_watching = False


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _watching and event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "open"):
        _watched.append((event, *arguments))


sys.addaudithook(_hook)


@pytest.mark.parametrize("domains", [frozenset(), frozenset({"allowed.test"})], ids=["off", "on"])
def test_no_address_that_is_refused_is_looked_up(domains: frozenset[str]) -> None:
    """The whole way through the guard; over HTTP, the connection of the test itself would be seen."""
    global _watching  # noqa: PLW0603 - an audit hook cannot be taken away again
    from chiasm.serving.faults import Refused

    guard = PictureGuard(domains=domains)
    assert len(ADDRESSES) >= 60
    _watched.clear()
    for url in ADDRESSES:
        _watching = True
        try:
            with pytest.raises(Refused) as caught:
                guard.open([url])
        finally:
            _watching = False
        assert caught.value.status == 400, url
    assert _watched == []


def test_remote_pictures_are_off(server: Running) -> None:
    status, reply = server.ask(question("What?", "https://example.org/x.png"))
    assert status == 400
    assert "remote images are disabled" in reply["error"]["message"]


def test_errors_in_the_middle_of_a_stream_are_told_and_show_nothing() -> None:
    class Breaks(ScriptedChatModel):
        def stream(self, conversation: Any, sampling: Any) -> Any:
            yield next(iter(super().stream(conversation, sampling)))
            raise OSError("/secret/path is full")

    with running(Breaks(["One two three"])) as server:
        status, reply = server.ask(question())
        assert (status, reply["error"]["type"]) == (500, "server_error")
        assert "secret" not in json.dumps(reply)
        body = server.send(
            "POST", "/v1/chat/completions", json.dumps(question(stream=True)), {"Content-Type": "application/json"}
        )[2]
        last = json.loads(body.decode().strip().split("\n\n")[-1].removeprefix("data: "))
        assert last["error"]["code"] == "internal_error"
        assert b"secret" not in body
        assert b"[DONE]" not in body
        assert server.send("GET", "/health")[0] == 200
        server.ask(question())
        assert server.send("GET", "/health")[0] == 503


def test_pictures_are_counted_before_any_is_opened(server: Running) -> None:
    status, reply = server.ask(question("What?", *[data_url(b"x")] * 1000))
    assert status == 400
    assert "1000 pictures, at most 16" in reply["error"]["message"]


def test_a_page_of_another_site_cannot_ask(server: Running) -> None:
    status, _ = server.ask(question("What?", data_url(png())), Host="rebound.example")
    assert status == 400
