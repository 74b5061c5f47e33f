"""A teacher on a real socket that speaks OpenAI's protocol and misbehaves on purpose, by seed.

In a test:

    with HostileTeacher(seed=1, share=0.25) as teacher:
        ask(teacher.base_url)                       # "http://127.0.0.1:PORT/v1"
        assert teacher.ledger().num_billed == ...

As a process of its own, so that killing the asker leaves it alone:

    python tests/hostile_teacher.py --seed 1 --share 0.25 --ledger ledger.jsonl --answers package.module:function

which prints its base URL as the first line of standard output, appends a line a request to the ledger, and ends with
its standard input or at SIGTERM. `GET /ledger` (beside `/v1`) returns the totals as JSON either way.

`answers` is a function from the messages of a request (OpenAI's, as they arrived) to the text of a good answer. What
goes wrong with a request is drawn from the seed, its body and how often that body came before: the order in which
requests arrive changes nothing, and a second try gets a new draw. A server with a `script` plays those replies first,
in order.

Tokens are words here: `prompt_tokens` the words of all messages, `completion_tokens` those of the answer.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib
import json
import random
import socket
import struct
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

Messages = list[dict[str, Any]]
Answers = Callable[[Messages], str]

# What goes wrong, each as likely as the next.
FAULTS = (
    "429 with Retry-After",
    "429",
    "500",
    "503 HTML",
    "cut JSON",
    "broken connection",
    "refusal",
    "refusal field",
    "leak",
    "empty",
    "length",
    "content_filter",
)


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes over the wire. `cut`: bytes of the body after which the connection breaks; `silence`: seconds first.

    `drip`: seconds between single bytes of the body. `num_prompt` and `num_answer` are billed when `billed`.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    billed: bool = False
    num_prompt: int = 0
    num_answer: int = 0
    cut: int | None = None
    silence: float = 0.0
    drip: float = 0.0


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the server's own ledger: a request that arrived and what became of it."""

    digest: str
    what: str
    status: int
    billed: bool
    num_prompt: int
    num_answer: int


@dataclass(frozen=True, slots=True)
class Ledger:
    """Totals of the server's ledger; tokens are those of billed requests."""

    num_received: int
    num_billed: int
    num_prompt: int
    num_answer: int
    by_what: dict[str, int]


def error_reply(status: int, message: str, code: str | None = None, **headers: str) -> Reply:
    """An error in OpenAI's form; underscores in header names become hyphens."""
    body = json.dumps({"error": {"message": message, "type": "error", "param": None, "code": code}}).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, body, {"Content-Type": "application/json", **named})


def answer_reply(
    text: str | None, num_prompt: int = 10, finish_reason: str | None = "stop", **message: object
) -> Reply:
    """A billed completion in OpenAI's form. `message` adds fields to the assistant's message (`refusal`)."""
    num_answer = len((text or "").split())
    usage = {"prompt_tokens": num_prompt, "completion_tokens": num_answer, "total_tokens": num_prompt + num_answer}
    choice = {"index": 0, "message": {"role": "assistant", "content": text, **message}, "finish_reason": finish_reason}
    body = {"id": "chatcmpl-1", "object": "chat.completion", "created": 0, "model": "hostile", "choices": [choice]}
    data = json.dumps({**body, "usage": usage}, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return Reply(200, data, billed=True, num_prompt=num_prompt, num_answer=num_answer)


def stream_reply(texts: Iterable[str], num_prompt: int = 10, *, usage: bool = True, done: bool = True) -> Reply:
    """A billed answer as server-sent events, a text each."""
    texts = list(texts)
    start = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 0, "model": "hostile"}
    chunks: list[dict[str, Any]] = [
        {**start, "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]} for text in texts
    ]
    chunks.append({**start, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    num_answer = sum(len(text.split()) for text in texts)
    if usage:
        counts = {"prompt_tokens": num_prompt, "completion_tokens": num_answer}
        chunks.append({**start, "choices": [], "usage": counts})
    lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks] + ["data: [DONE]\n\n"] * done
    headers = {"Content-Type": "text/event-stream"}
    return Reply(200, "".join(lines).encode(), headers, billed=True, num_prompt=num_prompt, num_answer=num_answer)


def plain_answer(messages: Messages) -> str:
    """A short answer made of the request's digest: equal requests get equal answers."""
    return f"The answer is {hashlib.sha256(json.dumps(messages).encode()).hexdigest()[:12]}."


class HostileTeacher:
    """The server, from `__enter__` to `__exit__`. `share` of the requests meet a fault; `delay` is the longest wait.

    `requests` keeps headers (names in lower case) and bodies that arrived, for tests to look at (the last thousand).
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        share: float = 0.25,
        answers: Answers = plain_answer,
        script: Iterable[Reply] = (),
        delay: float = 0.0,
        retry_after: str = "0.01",
        port: int = 0,
        ledger: Path | None = None,
    ) -> None:
        self.seed, self.share, self.answers, self.delay, self.retry_after = seed, share, answers, delay, retry_after
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.entries: list[Entry] = []
        self._script = iter(list(script))
        self._seen: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._file = ledger.open("a", encoding="utf-8") if ledger is not None else None
        self._server = _Server(("127.0.0.1", port), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def base_url(self) -> str:
        """What to give as base URL."""
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> HostileTeacher:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
        if self._file is not None:
            self._file.close()

    def ledger(self) -> Ledger:
        """The totals so far."""
        with self._lock:
            entries = list(self.entries)
        billed = [entry for entry in entries if entry.billed]
        prompt, answer = sum(entry.num_prompt for entry in billed), sum(entry.num_answer for entry in billed)
        return Ledger(len(entries), len(billed), prompt, answer, dict(Counter(entry.what for entry in entries)))

    def reply(self, headers: dict[str, str], body: bytes) -> Reply:
        """The reply to a request, entered in the ledger before a byte of it is sent."""
        digest = hashlib.sha256(body).hexdigest()
        with self._lock:
            self.requests = [*self.requests[-999:], (headers, body)]
            scripted = next(self._script, None)
            attempt = self._seen[digest]
            self._seen[digest] += 1
        rng = random.Random(f"{self.seed} {digest} {attempt}")
        what = rng.choice(FAULTS) if rng.random() < self.share else "answered"
        if scripted is None:
            what, reply = self._made(what, json.loads(body), rng)
        else:
            what, reply = "scripted", scripted
        if self.delay:
            reply = replace(reply, silence=reply.silence + rng.uniform(0, self.delay))
        counts = (reply.num_prompt, reply.num_answer)
        entry = Entry(digest, what, reply.status, reply.billed, *counts)
        with self._lock:
            self.entries.append(entry)
            if self._file is not None:
                self._file.write(json.dumps(asdict(entry)) + "\n")
                self._file.flush()
        return reply

    def _made(self, what: str, request: dict[str, Any], rng: random.Random) -> tuple[str, Reply]:
        words = sum(len(_text(message).split()) for message in request["messages"])
        unbilled = {
            "429 with Retry-After": error_reply(429, "slow down", "rate_limit_exceeded", Retry_After=self.retry_after),
            "429": error_reply(429, "slow down", "rate_limit_exceeded"),
            "500": error_reply(500, "the server had an error"),
            "503 HTML": Reply(503, b"<html><h1>503 Service Unavailable</h1></html>", {"Content-Type": "text/html"}),
        }
        if what in unbilled:
            return what, unbilled[what]
        text = self.answers(request["messages"])
        longest = int(request.get("max_tokens") or request.get("max_completion_tokens") or 10**9)
        text, whole = " ".join(text.split(" ")[:longest]), len(text.split(" ")) <= longest
        if request.get("stream"):
            return "answered", stream_reply([text[i : i + 7] for i in range(0, len(text), 7)], words)
        good = answer_reply(text, words, "stop" if whole else "length")
        billed = {
            "cut JSON": replace(good, body=good.body[: len(good.body) // 2]),
            "broken connection": replace(good, cut=rng.randrange(len(good.body))),
            "refusal": answer_reply("I'm sorry, but I can't help with that.", words),
            "refusal field": answer_reply(None, words, refusal="I'm sorry, I can't assist with that request."),
            "leak": answer_reply(f"According to the caption, {text}", words),
            "empty": answer_reply("", words),
            "length": answer_reply(text[: len(text) // 2], words, "length"),
            "content_filter": answer_reply("", words, "content_filter"),
        }
        return what, billed.get(what, good)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away (or was killed) is what these tests are about: nothing to print."""


def _text(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return content
    return " ".join(part.get("text", "picture") for part in content or ())


def _handler(teacher: HostileTeacher) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

        def do_GET(self) -> None:
            if self.path == "/ledger":
                self._send(Reply(200, json.dumps(asdict(teacher.ledger())).encode()))
            elif self.path == "/v1/models":
                self._send(Reply(200, b'{"object": "list", "data": [{"id": "hostile", "object": "model"}]}'))
            else:
                self._send(error_reply(404, f"no {self.path} here"))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.path != "/v1/chat/completions":
                self._send(error_reply(404, f"no {self.path} here"))
                return
            self._send(teacher.reply({name.lower(): value for name, value in self.headers.items()}, body))

        def _send(self, reply: Reply) -> None:
            if reply.silence:
                time.sleep(reply.silence)
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            for piece in _pieces(reply):
                self.wfile.write(piece)
                if reply.drip:
                    time.sleep(reply.drip)
            if reply.cut is not None:
                # Closing with a linger of zero seconds resets the connection instead of ending it politely.
                self.wfile.flush()
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.close_connection = True

    return Handler


def _pieces(reply: Reply) -> Iterator[bytes]:
    body = reply.body if reply.cut is None else reply.body[: reply.cut]
    if not reply.drip:
        yield body
        return
    yield from (body[i : i + 1] for i in range(len(body)))


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(description="A teacher that misbehaves on purpose.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--share", type=float, default=0.25)
    parser.add_argument("--delay", type=float, default=0.0)
    parser.add_argument("--retry-after", default="0.01")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--ledger", type=Path)
    parser.add_argument("--answers", default="", help="package.module:function, from messages to a text")
    options = parser.parse_args()
    answers: Answers = plain_answer
    if options.answers:
        module, _, function = options.answers.partition(":")
        answers = getattr(importlib.import_module(module), function)
    named = {"seed": options.seed, "share": options.share, "delay": options.delay, "port": options.port}
    with HostileTeacher(**named, answers=answers, retry_after=options.retry_after, ledger=options.ledger) as teacher:
        print(teacher.base_url, flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            sys.stdin.read()


if __name__ == "__main__":
    main()
