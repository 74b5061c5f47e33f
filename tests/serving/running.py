"""A server in this process: uvicorn on a free port of the loopback interface, in a thread of its own."""

from __future__ import annotations

import base64
import http.client
import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from PIL import Image

from chiasm.backends.scripted import ScriptedChatModel
from chiasm.chat import ChatModel, Delta, Sampling, Usage
from chiasm.conversation import Conversation
from chiasm.serving.app import Server, Settings
from chiasm.serving.listening import bound, listener

NAME = "tiny"


class Paced(ScriptedChatModel):
    """Says a word whenever it is let, for ever or until max_tokens; counts who is being answered."""

    def __init__(self, seconds: float = 0.01) -> None:
        super().__init__([""])
        self.seconds, self.num_open, self.most_open, self.num_said = seconds, 0, 0, 0
        self._lock = threading.Lock()

    def stream(self, conversation: Conversation, sampling: Sampling) -> Iterator[Delta]:
        with self._lock:
            self.num_open += 1
            self.most_open = max(self.most_open, self.num_open)
        try:
            for _ in range(sampling.max_tokens):
                time.sleep(self.seconds)
                self.num_said += 1
                yield Delta("word ")
            yield Delta("", "length", Usage(1, 0, sampling.max_tokens))
        finally:
            with self._lock:
                self.num_open -= 1


@dataclass
class Running:
    """A server that answers on `port`."""

    server: Server
    port: int

    def send(
        self, method: str, path: str, body: bytes | str | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """One request over a connection of its own: status, headers, body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()
        finally:
            connection.close()

    def ask(self, body: object, path: str = "/v1/chat/completions", **headers: str) -> tuple[int, Any]:
        """A chat completion: status and JSON."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        status, _, reply = self.send("POST", path, content, {"Content-Type": "application/json", **headers})
        return status, json.loads(reply)

    def wait_until(self, true: Callable[[], bool], seconds: float = 5.0) -> None:
        """Fail unless `true()` within `seconds`."""
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end, "it did not come to pass in time"
            time.sleep(0.005)


@contextmanager
def running(model: ChatModel, **settings: Any) -> Iterator[Running]:
    """A server of `model` for as long as the block lasts."""
    server = Server(model, Settings(NAME, **{"grace": 1.0, **settings}))
    listening = bound("127.0.0.1", 0)
    uvicorn = listener(server, server.desk.max_running and settings.get("grace", 1.0))
    thread = threading.Thread(target=uvicorn.run, args=([listening],))
    thread.start()
    try:
        while not uvicorn.started:
            assert thread.is_alive()
            time.sleep(0.005)
        yield Running(server, listening.getsockname()[1])
    finally:
        uvicorn.should_exit = True
        thread.join(20)
        listening.close()
        assert not thread.is_alive()


def question(text: str = "What is this?", *urls: str, **fields: Any) -> dict[str, Any]:
    """The body of a request with one turn."""
    content: list[dict[str, Any]] = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    return {
        "model": NAME,
        "messages": [{"role": "user", "content": [*content, {"type": "text", "text": text}] if urls else text}],
        **fields,
    }


def png(colour: object = "red", size: tuple[int, int] = (40, 30), kind: str = "PNG") -> bytes:
    """A small picture."""
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, kind)  # type: ignore[arg-type]
    return buffer.getvalue()


def data_url(content: bytes, kind: str = "image/png") -> str:
    """`content` as a data URL."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
