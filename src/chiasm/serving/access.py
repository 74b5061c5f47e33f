"""Who may come in: the host a request names, its path as it was written, its key. And the headers every reply carries.

Wrapped around everything else, so that no route can forget it. It looks at the same path the routes look at, and only
at paths without escapes, so that there is no second reading of one.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import JSONResponse

from chiasm.serving.faults import Refused

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
_HOST = re.compile(rb"([a-z0-9.-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::[0-9]{1,5})?\Z", re.IGNORECASE)
_PLAIN_PATH = re.compile(rb"(/[A-Za-z0-9._~:@+-]+)*/?\Z")
_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = [
    (b"content-security-policy", _CSP.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
]


@dataclass(frozen=True)
class Door:
    """`app` behind its checks. `keys` empty: nobody needs one. `hosts` None: any name will do."""

    app: Asgi
    keys: tuple[str, ...]
    hosts: frozenset[str] | None
    open_paths: Collection[str]
    refused: Callable[[str, int], None]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", []), *HEADERS]}
            await send(message)

        try:
            self._check(scope)
        except Refused as refused:
            self.refused(str(scope["path"]), refused.status)
            reply = JSONResponse(refused.body, refused.status, {**refused.headers})
            await reply(scope, receive, send_guarded)
            return
        await self.app(scope, receive, send_guarded)

    def _check(self, scope: Scope) -> None:
        """Raise `Refused` for who may not come in."""
        names = [name for name, _ in scope["headers"]]
        if b"transfer-encoding" in names and b"content-length" in names:
            raise Refused(400, "the body has two lengths", close=True)
        named = [value for name, value in scope["headers"] if name == b"host"]
        host = _HOST.match(named[0]) if len(named) == 1 else None
        if host is None and (named or scope["http_version"] != "1.0"):
            raise Refused(400, "the Host header is not a host", code="bad_host", close=True)
        if self.hosts is not None and host is not None and host[1].decode().lower() not in self.hosts:
            raise Refused(400, "this server is not known by that name: see --allow-host", code="bad_host", close=True)
        path = scope.get("raw_path") or scope["path"].encode()
        if not _PLAIN_PATH.match(path) or b"/../" in path + b"/" or b"/./" in path + b"/":
            raise Refused(404, "there is nothing here", code="not_found", close=True)
        if self.keys and scope["path"] not in self.open_paths:
            self._check_key(scope)

    def _check_key(self, scope: Scope) -> None:
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        scheme, _, key = (given[0] if len(given) == 1 else b"").partition(b" ")
        # Digests have one length: not even that of a key shows in the time a comparison takes.
        offered = hashlib.sha256(key.strip()).digest()
        right = [hmac.compare_digest(offered, hashlib.sha256(known.encode()).digest()) for known in self.keys]
        if scheme.lower() != b"bearer" or not any(right):
            raise Refused(401, "a key is needed: send Authorization: Bearer KEY", code="invalid_api_key", close=True)
