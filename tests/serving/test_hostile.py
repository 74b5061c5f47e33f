"""Requests nobody in good faith would send: refused with a reason, in no time, and nothing leaks or is left behind."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from chiasm.backends.scripted import ScriptedChatModel
from chiasm.serving.pictures import PictureGuard
from tests.serving.hostile_requests import (
    ADDRESSES,
    BAD_BODIES,
    BAD_FIELDS,
    BAD_FRAMES,
    BAD_PATHS,
    NO_ADDRESSES,
    post,
    raw,
)
from tests.serving.running import NAME, Running, data_url, png, question, running


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running(ScriptedChatModel(["Fine."]), max_body_bytes=4_000_000, body_seconds=0.5) as server:
        yield server


@pytest.mark.parametrize(("fields", "param"), BAD_FIELDS, ids=lambda value: str(value)[:60])
def test_a_wrong_field_is_named(server: Running, fields: dict[str, Any], param: str) -> None:
    status, reply = server.ask({**question(), **fields})
    assert (status, reply["error"]["type"], reply["error"]["param"]) == (400, "invalid_request_error", param)
    assert reply["error"]["message"]


@pytest.mark.parametrize("url", NO_ADDRESSES)
def test_a_picture_without_address_is_refused(server: Running, url: object) -> None:
    content = [{"type": "image_url", "image_url": url}]
    status, reply = server.ask({"model": NAME, "messages": [{"role": "user", "content": content}]})
    assert status == 400
    assert reply["error"]["param"].startswith("messages[0].content[0].image_url")


@pytest.mark.parametrize("body", BAD_BODIES, ids=lambda body: str(body[:30]))
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


def test_large_bodies_are_not_read_to_their_end() -> None:
    with running(ScriptedChatModel(["Fine."]), max_body_bytes=100_000) as server:
        assert server.ask(question("x" * 100_001))[0] == 413
        claimed = raw(server.port, post(b"", b"Content-Length: 100000000000"))
        assert claimed.startswith(b"HTTP/1.1 413")
        chunk, chunked = b"10000\r\n" + b" " * 65536 + b"\r\n", post(b"", b"Transfer-Encoding: chunked")
        assert raw(server.port, chunked + chunk * 2 + b"0\r\n\r\n").startswith(b"HTTP/1.1 413")
        assert raw(server.port, chunked, *[chunk] * 200)[:12] in (b"", b"HTTP/1.1 413")
        server.wait_until(lambda: server.server._house.bodies.num_held == 0)


@pytest.mark.parametrize(("sent", "status"), BAD_FRAMES)
def test_framing(server: Running, sent: bytes, status: bytes) -> None:
    assert raw(server.port, sent).split(b" ", 2)[1] == status


def test_a_head_without_end_is_closed(server: Running) -> None:
    head = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"
    assert raw(server.port, head, *[b"X: " + b"a" * 1000 + b"\r\n"] * 1000)[:12] in (b"", b"HTTP/1.1 400")
    assert raw(server.port, head + b"X: " + b"a" * 1_000_000)[:12] in (b"", b"HTTP/1.1 400")


def test_requests_in_a_row_are_answered_in_a_row(server: Running) -> None:
    bad, good = post(b"{}", b"Content-Length: 2"), b"GET /health HTTP/1.1\r\nHost: localhost\r\n"
    received = raw(server.port, bad + good + b"\r\n" + good + b"Connection: close\r\n\r\n")
    assert re.findall(rb"HTTP/1.1 (\d+)", received) == [b"400", b"200", b"200"]


def test_the_body_is_asked_for_only_where_it_is_wanted(server: Running) -> None:
    refused = raw(server.port, post(b"", b"Content-Length: 100000000", b"Expect: 100-continue"))
    assert refused.startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize(("method", "path", "status"), BAD_PATHS)
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
            return raw(server.port, sent).split(b" ", 2)[1]

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
