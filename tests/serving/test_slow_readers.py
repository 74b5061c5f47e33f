"""Clients that ask and do not read: each of them loses its own answer, and nobody else anything."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from chiasm.chat import Delta, Sampling
from chiasm.conversation import Conversation
from chiasm.serving.listening import PatientProtocol
from tests.serving.running import Paced, Running, question, running

WORD = "word" * (1 << 18)  # a MiB
NUM_AHEAD = 64  # words that a model may be ahead of its reader
PATIENCE = 15.0  # of the test, on a machine that has much to do
PATH = "/v1/chat/completions"


class Flood(Paced):
    """Says words of a MiB: after a few of them a connection that nobody reads is full."""

    def __init__(self) -> None:
        super().__init__(0.0)

    def stream(self, conversation: Conversation, sampling: Sampling) -> Iterator[Delta]:
        for delta in super().stream(conversation, sampling):
            yield Delta(WORD) if delta.text else delta


def unread(server: Running, **fields: Any) -> socket.socket:
    """A connection whose request is on its way, with hardly any room for the answer."""
    body = json.dumps(question(**fields)).encode()
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(10)
    connection.connect(("127.0.0.1", server.port))
    head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    return connection


def num_open() -> int:
    """Descriptors this process has open."""
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


@pytest.mark.parametrize(("take_seconds", "deadline"), [(0.5, 600.0), (30.0, 1.0)], ids=["patience", "deadline"])
def test_readers_that_stop_reading_give_their_slots_back(
    take_seconds: float, deadline: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chiasm.serving.listening._TAKE_SECONDS", take_seconds)
    model = Flood()
    with running(model, max_running=2, deadline=deadline) as server, ExitStack() as slow:
        for _ in range(2):
            slow.enter_context(unread(server, stream=True, max_tokens=2000))
        desk = server.server.desk
        server.wait_until(lambda: model.most_open == 2)
        server.wait_until(lambda: (desk.num_in, desk.num_running, model.num_open) == (0, 0, 0), PATIENCE)
        assert model.num_said < 1000  # they did not end, they were ended
        assert server.server.metrics.vanished == 2
        assert server.ask(question(max_tokens=1))[1]["choices"][0]["message"]["content"] == WORD


def test_a_server_that_stops_waits_for_no_slow_reader() -> None:
    model, grace = Flood(), 0.5
    with ExitStack() as slow:
        with running(model, max_running=2, grace=grace) as server:
            slow.enter_context(unread(server, stream=True, max_tokens=2000))
            slow.enter_context(unread(server, max_tokens=16))
            server.wait_until(lambda: server.server.metrics.requests[PATH, 200] == 2, PATIENCE)
            server.wait_until(lambda: model.num_said >= NUM_AHEAD + 16, PATIENCE)  # full, both of them
            begun = time.monotonic()
        assert time.monotonic() - begun < grace + 3


def test_a_whole_answer_that_nobody_reads_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chiasm.serving.listening._TAKE_SECONDS", 0.5)
    with running(Flood()) as server:
        before = num_open()
        server.ask(question(max_tokens=1))
        server.wait_until(lambda: num_open() == before)  # that connection has gone
        with unread(server, max_tokens=16) as connection:
            server.wait_until(lambda: server.server.metrics.requests[PATH, 200] == 2, PATIENCE)
            server.wait_until(lambda: num_open() == before + 1, PATIENCE)  # this end only
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
            received = sum(len(part) for part in iter(lambda: connection.recv(1 << 20), b""))
            assert received < 16 << 20  # what was on its way when it was cut


def test_who_reads_late_gets_everything() -> None:
    with running(Flood()) as server, unread(server, stream=True, max_tokens=16) as connection:
        time.sleep(0.3)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        received = b"".join(iter(lambda: connection.recv(1 << 20), b""))
    assert received.count(WORD.encode()) == 16
    assert b"data: [DONE]" in received
    assert received.endswith(b'"waiting":0}')


def test_no_piece_waits_for_the_client_to_acknowledge_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a kept connection that took 40 ms for every piece."""
    delays: list[bool] = []
    made = PatientProtocol.connection_made

    def looked_at(protocol: PatientProtocol, transport: Any) -> None:
        made(protocol, transport)
        connection = transport.get_extra_info("socket")
        delays.append(not connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    monkeypatch.setattr(PatientProtocol, "connection_made", looked_at)
    with running(Paced()) as server:
        assert server.ask(question(max_tokens=1))[0] == 200
    assert delays == [False]
