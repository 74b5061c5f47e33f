"""Queues, clients that vanish, deadlines and the end: whatever happens, everything is given back."""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from chiasm.backends.scripted import ScriptedChatModel
from tests.backends.tiny import assistant
from tests.serving.running import Paced, Running, data_url, png, question, running


def begun(server: Running, **fields: Any) -> socket.socket:
    """A connection whose request is on its way."""
    body = json.dumps(question(**fields)).encode()
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    head = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    head += f"Content-Length: {len(body)}\r\n\r\n"
    connection.sendall(head.encode() + body)
    return connection


def at_rest(server: Running, model: Paced) -> None:
    desk = server.server.desk
    server.wait_until(lambda: (desk.num_in, desk.num_running, model.num_open) == (0, 0, 0))
    assert server.server._house.bodies.num_held == 0


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_stops_its_answer(stream: bool) -> None:
    model = Paced()
    with running(model, max_running=2) as server:
        for _ in range(3):
            connection = begun(server, max_tokens=2000, stream=stream)
            server.wait_until(lambda: model.num_open == 1)
            connection.close()
            at_rest(server, model)
            said = model.num_said
            time.sleep(0.05)
            assert model.num_said == said
        assert server.server.metrics.vanished == 3


def num_open() -> int:
    """Descriptors this process has open."""
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


def test_many_that_vanish_leave_nothing_behind() -> None:
    model = Paced()
    with running(model, max_running=4, max_waiting=60) as server:
        server.ask(question(max_tokens=1))
        gc.collect()  # what earlier tests left open must not close in between
        before = num_open(), threading.active_count()
        connections = [begun(server, max_tokens=2000, stream=True) for _ in range(50)]
        server.wait_until(lambda: (server.server.desk.num_in, server.server.desk.num_running) == (50, 4))
        for connection in connections:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # reset, no goodbye
            connection.close()
        assert server.ask(question(max_tokens=1))[0] == 200
        at_rest(server, model)
        # The other slots' threads, and the two for pictures, are made when first needed; a closed connection takes the
        # loop a moment.
        server.wait_until(lambda: num_open() <= before[0] + 1 and threading.active_count() <= before[1] + 5)
        assert model.most_open <= 4


def test_more_than_may_wait_are_told_to_come_again() -> None:
    model = Paced()
    with running(model, max_running=1, max_waiting=2) as server:
        held = [begun(server, max_tokens=2000, stream=True) for _ in range(3)]
        server.wait_until(lambda: server.server.desk.num_in == 3)
        status, headers, body = server.send(
            "POST", "/v1/chat/completions", json.dumps(question()), {"Content-Type": "application/json"}
        )
        assert (status, headers["retry-after"]) == (429, "1")
        assert json.loads(body)["error"]["type"] == "rate_limit_error"
        assert server.send("GET", "/health")[0] == 200
        for connection in held:
            connection.close()
        at_rest(server, model)
        assert server.ask(question(max_tokens=1))[0] == 200


def test_those_who_wait_are_served_in_turn() -> None:
    model = Paced(0.002)
    with running(model, max_running=2, max_waiting=20) as server, ThreadPoolExecutor(12) as clients:
        replies = list(clients.map(lambda _: server.ask(question(max_tokens=5)), range(12)))
    assert [status for status, _ in replies] == [200] * 12
    assert model.most_open == 2


@pytest.mark.parametrize("stream", [False, True])
def test_nothing_lasts_longer_than_the_deadline(stream: bool) -> None:
    model = Paced()
    with running(model, deadline=0.2) as server:
        status, _, body = server.send(
            "POST",
            "/v1/chat/completions",
            json.dumps(question(stream=stream, max_tokens=2000)),
            {"Content-Type": "application/json"},
        )
        assert status == (200 if stream else 504)
        assert b'"code":"deadline"' in body.replace(b" ", b"")
        at_rest(server, model)


def test_a_connection_that_brings_no_request_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chiasm.serving.listening._HEAD_SECONDS", 0.2)
    monkeypatch.setattr("chiasm.serving.listening._MAX_CONNECTIONS", 5)
    with running(ScriptedChatModel(["Fine."])) as server:
        address = ("127.0.0.1", server.port)
        with (
            socket.create_connection(address, timeout=5) as silent,
            socket.create_connection(address, timeout=5) as slow,
        ):
            slow.sendall(b"GET /health HTTP/1.1\r\nHost:")
            assert silent.recv(10) == b""
            assert slow.recv(10) == b""
        with socket.create_connection(address, timeout=5) as again:  # a second request is waited for no longer
            again.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            received = b""
            while b"}" not in received:
                received += again.recv(65536)
            again.sendall(b"GET /hea")
            assert again.recv(10) == b""
        idle = [socket.create_connection(address, timeout=5) for _ in range(20)]
        assert server.send("GET", "/health")[0] == 200
        for connection in idle:
            connection.close()


def test_answers_beside_others_are_those_given_alone() -> None:
    alone = assistant()
    urls = [png(colour) for colour in ("red", "blue", "green")]
    asked = [(f"question {i}", urls[i % 3]) for i in range(9)]
    expected = [alone.answer(text, images=[picture], max_tokens=24) for text, picture in asked]
    with running(assistant()) as server, ThreadPoolExecutor(9) as clients:

        def ask(item: tuple[str, bytes]) -> str:
            reply = server.ask(question(item[0], data_url(item[1]), max_tokens=24))[1]
            return str(reply["choices"][0]["message"]["content"])

        assert list(clients.map(ask, asked)) == expected


def test_sigterm_lets_answers_end_and_lets_nobody_in(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "from tests.serving.running import Paced\n"
        "from chiasm.serving.app import Server, Settings\n"
        "from chiasm.serving.listening import bound, listener\n"
        "socket = bound('127.0.0.1', 0)\n"
        "print(socket.getsockname()[1], flush=True)\n"
        "listener(Server(Paced(), Settings('tiny', grace=1.0)), 1.0).run([socket])\n",
        encoding="utf-8",
    )
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONPATH": f"{root / 'src'}:{root}"}
    with subprocess.Popen([sys.executable, str(program)], stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        server = Running(None, int(process.stdout.readline()))  # type: ignore[arg-type]
        short, long = begun(server, max_tokens=40, stream=True), begun(server, max_tokens=2000, stream=True)
        assert short.recv(15) == long.recv(15) == b"HTTP/1.1 200 OK"
        process.send_signal(signal.SIGTERM)
        answers = [b"".join(iter(lambda: connection.recv(65536), b"")) for connection in (short, long)]  # noqa: B023
        assert answers[0].endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
        assert b'"code":"stopping"' in answers[1]
        assert b"[DONE]" not in answers[1]
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", server.port), timeout=1).close()
        short.close()
        long.close()
        assert process.wait(10) in (0, -signal.SIGTERM)
