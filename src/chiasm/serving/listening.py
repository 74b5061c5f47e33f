"""The web server under the app: uvicorn, with an end to patience that it does not have itself.

A connection that does not bring a whole request head in time is closed; of too many that wait, the longest waiting is.
A client that does not take in time what it is sent is cut off, whatever it was. On SIGTERM or Ctrl-C nobody new is let
in, and answers on their way have the settings' grace.
"""

from __future__ import annotations

import asyncio
import copy
import socket
from collections import OrderedDict
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.config import LOGGING_CONFIG
from uvicorn.protocols.http.h11_impl import H11Protocol

from chiasm.errors import UserError
from chiasm.serving.app import Server

# All ours.
_HEAD_SECONDS = 10.0
_HEAD_BYTES = 32 << 10
_TAKE_SECONDS = 30.0  # as many as a request's body may take to come
_KEEP_ALIVE = 15
_MAX_CONNECTIONS = 512


class PatientProtocol(H11Protocol):
    """HTTP/1.1 whose heads have to come within `_HEAD_SECONDS`, on at most `_MAX_CONNECTIONS` connections.

    What the system has no room for, because the client does not read, has to be gone within `_TAKE_SECONDS`.
    """

    _head_timer: asyncio.TimerHandle | None = None
    _take_timer: asyncio.TimerHandle | None = None

    @property
    def _idle(self) -> OrderedDict[PatientProtocol, None]:
        """The connections of this server that wait for a request, the longest waiting first."""
        held: OrderedDict[PatientProtocol, None] = self.app_state.setdefault("idle_connections", OrderedDict())
        return held

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A new connection."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=0)  # writing is paused as soon as anything waits for the client
        self._wait_for_head()
        if len(self.connections) > _MAX_CONNECTIONS:
            next(iter(self._idle)).transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._head_came()
        self._all_taken()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Something came."""
        if self._head_timer is None and self._is_idle():
            self._wait_for_head()
        super().data_received(data)
        if not self._is_idle():
            self._head_came()

    def pause_writing(self) -> None:
        """Something waits for the client to read."""
        super().pause_writing()
        self._take_timer = self.loop.call_later(_TAKE_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Nothing waits any more."""
        self._all_taken()
        super().resume_writing()

    def give_up(self) -> None:
        """Cut the client off if anything waits for it."""
        if self._take_timer is not None:
            self.transport.abort()

    def on_response_complete(self) -> None:
        """The connection waits for the next request, with uvicorn's own timer until its first byte."""
        super().on_response_complete()
        if not self.transport.is_closing() and self._is_idle():
            self._idle[self] = None

    def _is_idle(self) -> bool:
        cycle: Any = self.cycle  # None before the first request, whatever its type says
        return cycle is None or bool(cycle.response_complete)

    def _wait_for_head(self) -> None:
        self._idle[self] = None
        self._head_timer = self.loop.call_later(_HEAD_SECONDS, self.transport.close)

    def _head_came(self) -> None:
        self._idle.pop(self, None)
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _all_taken(self) -> None:
        if self._take_timer is not None:
            self._take_timer.cancel()
            self._take_timer = None


class _Listener(uvicorn.Server):
    """Tells the app when the end begins; uvicorn itself then only waits, after `grace` seconds for no slow reader."""

    def __init__(self, config: uvicorn.Config, server: Server, grace: float) -> None:
        super().__init__(config)
        self._server, self._grace = server, grace
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._server.stop()
        asyncio.get_running_loop().call_later(self._grace, self._give_up)
        await super().shutdown(sockets)

    def _give_up(self) -> None:
        for connection in list(self.server_state.connections):
            assert isinstance(connection, PatientProtocol)
            connection.give_up()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._server.stop)
        super().handle_exit(sig, frame)


def listener(server: Server, grace: float, log_level: str = "warning") -> uvicorn.Server:
    """A uvicorn server for `server`; give its `run` the socket of `bound`."""
    logging = copy.deepcopy(LOGGING_CONFIG)
    logging["handlers"]["access"]["stream"] = "ext://sys.stderr"
    options: dict[str, Any] = {
        "http": PatientProtocol,
        "ws": "none",
        "lifespan": "on",
        "log_config": logging,
        "log_level": log_level,
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,
        "timeout_keep_alive": _KEEP_ALIVE,
        "timeout_graceful_shutdown": int(grace) + 5,
        "h11_max_incomplete_event_size": _HEAD_BYTES,
    }
    return _Listener(uvicorn.Config(server.door, **options), server, grace)


def bound(host: str, port: int) -> socket.socket:
    """A socket that listens on `host` and `port`, 0 for any free one; raises `UserError` where that cannot be."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        # With its protocol: asyncio turns off Nagle's algorithm only where it is told that this is TCP, and on a kept
        # connection every piece of an answer would then wait for the client to acknowledge the last, up to 40 ms.
        listening = socket.socket(*found[:3])
    except OSError as error:
        raise UserError(f"cannot listen on {host}: {error.strerror}. Give an address of this machine") from None
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(found[4])
        listening.listen(512)
    except OSError as error:
        listening.close()
        raise UserError(
            f"cannot listen on {host} port {port}: {error.strerror}. Give another with --port (0: any free one)"
        ) from None
    return listening
