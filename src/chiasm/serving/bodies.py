"""Reading what a client sends: never more than allowed, never longer than allowed, never more for all than allowed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from chiasm.serving.faults import Refused

_PATIENCE = 4  # times what is allowed; ours
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class ClientGoneError(Exception):
    """Whoever asked does not listen any more."""


@dataclass
class Bodies:
    """Bounds of request bodies, in bytes and seconds. `max_held` is for all that are read or worked on at one time."""

    max_bytes: int
    max_held: int
    seconds: float
    num_held: int = 0

    @asynccontextmanager
    async def read(self, headers: dict[bytes, bytes], receive: Receive) -> AsyncIterator[bytes]:
        """The body, counted as held until the block ends; raises `Refused` or `ClientGoneError`.

        One that is somewhat too large is read on and thrown away: who is still sending does not hear a refusal.
        """
        content, held, num_read = bytearray(), 0, 0
        try:
            self._check_headers(headers)
            try:
                async with asyncio.timeout(self.seconds):
                    more = True
                    while more:
                        message = await receive()
                        if message["type"] == "http.disconnect":
                            raise ClientGoneError
                        piece, more = message.get("body", b""), message.get("more_body", False)
                        num_read += len(piece)
                        if num_read > _PATIENCE * self.max_bytes:
                            raise self._too_large()
                        if num_read <= self.max_bytes:
                            content += piece
                            self.num_held += len(content) - held
                            held = len(content)
                        if self.num_held > self.max_held:
                            raise Refused(
                                429, "the server holds all it can: try again", code="busy", retry_after=5, close=True
                            )
            except TimeoutError:
                raise Refused(408, f"the body took longer than {self.seconds:g} seconds", close=True) from None
            if num_read > self.max_bytes:
                raise self._too_large()
            yield bytes(content)
        finally:
            self.num_held -= held

    def _check_headers(self, headers: dict[bytes, bytes]) -> None:
        kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if kind != b"application/json":
            raise Refused(415, "the body must be JSON: send Content-Type: application/json", close=True)
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise Refused(415, "the body must not be compressed", close=True)
        most = self.max_bytes if b"expect" in headers else _PATIENCE * self.max_bytes
        if int(headers.get(b"content-length", b"0")) > most:  # digits: h11 has seen to that
            raise self._too_large()

    def _too_large(self) -> Refused:
        return Refused(413, f"the body is larger than {self.max_bytes:,} bytes", code="too_large", close=True)
