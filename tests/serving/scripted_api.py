"""A server that plays `chiasm serve` to the page: the same files, the same rules for them, answers from a script."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import chiasm
from chiasm.serving.access import HEADERS

STATIC = Path(chiasm.__file__).parent / "serving" / "static"
_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}

Piece = str | Callable[[], None]


class ScriptedApi:
    """`script` holds the pieces of the next answers: text, or something to call before going on.

    An answer that ends with `CUT` breaks off; `status` other than 200 refuses. What was asked is in `requests`.
    `looked` is said of where the model looked, `unfamiliar` of the pictures, unless there is nothing to say.
    """

    CUT = "\0cut"

    def __init__(self) -> None:
        self.script: list[list[Piece]] = []
        self.requests: list[dict[str, Any]] = []
        self.status = 200
        self.key: str | None = None
        self.counts = True
        self.looked: dict[str, Any] | None = None
        self.unfamiliar: list[int] = []
        self.vanished = threading.Event()
        api = self

        class Handler(_Handler):
            server_api = api

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stops it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


class _Handler(BaseHTTPRequestHandler):
    server_api: ScriptedApi

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _send(self, status: int, body: bytes, kind: str = "application/json", **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for field, content in HEADERS:
            self.send_header(field.decode(), content.decode())
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def _refused(self) -> bool:
        api = self.server_api
        if api.key is not None and self.headers.get("Authorization") != f"Bearer {api.key}":
            self._send(401, b'{"error": {"message": "a key is needed", "code": null}}')
            return True
        return False

    def do_GET(self) -> None:
        if self.path == "/v1/models":
            if not self._refused():
                looks = {} if self.server_api.looked is None else {"chiasm": {"looks": True}}
                self._send(200, json.dumps({"data": [{"id": "scripted", "object": "model", **looks}]}).encode())
            return
        file = STATIC / (self.path.strip("/") or "index.html")
        if file.parent != STATIC or not file.is_file():
            self._send(404, b"{}")
            return
        self._send(200, file.read_bytes(), _TYPES[file.suffix] + "; charset=utf-8")

    def do_POST(self) -> None:
        api = self.server_api
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self._refused():
            return
        if self.path.endswith("/tokens"):
            pictures = [part for m in body["messages"] for part in m["content"] if isinstance(part, dict)]
            num = sum(part["type"] == "image_url" for part in pictures)
            counted = {"prompt_tokens": 12 + 576 * num, "picture_tokens": [576] * num, "context_tokens": 4096}
            self._send(*((200, json.dumps(counted).encode()) if api.counts else (404, b"{}")))
            return
        api.requests.append(body)
        if self.path.endswith("/looked") and api.status == 200:
            self._send(200, json.dumps(api.looked).encode())
            return
        if api.status != 200:
            self._send(api.status, b'{"error": {"message": "not now"}}', Retry_After="7")
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        try:
            self._answer(api.script.pop(0) if api.script else ["Fine."])
        except OSError:
            api.vanished.set()

    def _answer(self, pieces: list[Piece]) -> None:
        num = 0
        for piece in pieces:
            if callable(piece):
                piece()
            elif piece == ScriptedApi.CUT:
                return
            else:
                num += 1
                self._event(
                    {"choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}], "usage": None}
                )
        told = {"unfamiliar_pictures": self.server_api.unfamiliar} if self.server_api.unfamiliar else {}
        self._event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": None, **told})
        usage = {"prompt_tokens": 588, "completion_tokens": num, "prompt_tokens_details": {"cached_tokens": 576}}
        self._event({"choices": [], "usage": usage})
        self.wfile.write(b"data: [DONE]\n\n")

    def _event(self, value: dict[str, Any]) -> None:
        self.wfile.write(b"data: " + json.dumps(value).encode() + b"\n\n")
        self.wfile.flush()
