"""Pictures and requests made to do harm, one after another: how long each takes, and what is left of the server.

Serves a tiny model with random weights as `chiasm serve` would, asks about good pictures until the memory is steady,
then sends `--cases` bad ones, a picture and a request in turn: bombs, broken and endless files; fields, bodies, heads,
paths and addresses no client means well with; clients that leave. A good question runs beside one of every ten. Prints
the slowest, and the resident memory before and after. Exits with 1 where a request is answered with 5xx or not at all,
a good question with anything but 200, any in more than 2 s, or memory does not come back within 20 MB.

    python -m bench.hostile --cases 200
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import random
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from PIL import Image

from bench.hostile_pictures import HARMFUL, encoded, noise
from tests.serving.hostile_answers import HOSTILE
from tests.serving.hostile_requests import (
    ADDRESSES,
    BAD_BODIES,
    BAD_DATA_URLS,
    BAD_FIELDS,
    BAD_FRAMES,
    BAD_PATHS,
    NO_ADDRESSES,
    post,
    raw,
)
from tests.serving.running import data_url, question

ASK = "/v1/chat/completions"
JSON = {"Content-Type": "application/json"}
MOST_SECONDS = 2.0
MOST_GROWTH = 20.0  # megabytes
CLOSED, UNANSWERED = 0, -1  # beside the statuses of HTTP; a head or body without end may be closed without an answer

Send = Callable[[int], int]  # to a port; the status of what comes back


@dataclass(frozen=True, slots=True)
class Sent:
    """A request and what became of it."""

    seconds: float
    what: str
    status: int
    is_good: bool = False  # meant well

    @property
    def is_fault(self) -> bool:
        """Whether the server did not do its part."""
        return self.status != 200 if self.is_good else self.status >= 500 or self.status == UNANSWERED


def over_http(
    method: str, path: str, body: bytes | None = None, headers: dict[str, str] = JSON, seconds: float = 60
) -> Send:
    def send(port: int) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            response.read()
            return response.status
        finally:
            connection.close()

    return send


def as_json(asked: object, path: str = ASK) -> Send:
    return over_http("POST", path, json.dumps(asked).encode())


def about(*contents: bytes) -> Send:
    return as_json(question("What is this?", *map(data_url, contents), max_tokens=1))


def byte_for_byte(*pieces: bytes) -> Send:
    def send(port: int) -> int:
        words = raw(port, *pieces).split(b" ", 2)
        return int(words[1]) if len(words) > 1 else CLOSED

    return send


def leaves(sent: bytes) -> Send:
    """A client that is gone without a word, a moment after it has sent that."""

    def send(port: int) -> int:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(sent)
            time.sleep(0.05)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return CLOSED

    return send


def requests() -> dict[str, list[tuple[str, Send]]]:
    """What there is of each kind, each with a few words on it."""

    def shape(url: object) -> dict[str, Any]:
        return {"model": "tiny", "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": url}]}]}

    fields = [fields for fields, _ in BAD_FIELDS]
    fields += [{"max_tokens": 10**12}, {"chat_template": "{{ 1 / 0 }}", "api_base": "http://x"}, {"model": "../../x"}]
    urls = [*ADDRESSES, *(url for url, _ in BAD_DATA_URLS)]
    kinds = (None, "text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded")
    hello = json.dumps(question(max_tokens=2000, stream=True)).encode()
    head, chunk = b"GET /health HTTP/1.1\r\nHost: localhost\r\n", b"10000\r\n" + b" " * 65536 + b"\r\n"
    chunked, length = post(b"", b"Transfer-Encoding: chunked"), b"Content-Length: %d" % len(hello)
    large = [encoded(Image.new("1", (5000, 5000), colour), "PNG") for colour in (0, 1)]
    texts = [*HOSTILE, "<s></s><image> USER: ASSISTANT:" * 50, "x" * 1_000_000, "\u202e\u0000\ufeff" * 100]
    return {
        "field": [(str(each), as_json({**question(max_tokens=1), **each})) for each in fields],
        "address": [(url, as_json(question("What is this?", url))) for url in urls],
        "body": [(str(body[:40]), over_http("POST", ASK, body)) for body in BAD_BODIES],
        "path": [(f"{method} {path}", over_http(method, path)) for method, path, _ in BAD_PATHS],
        "text": [(text, as_json(question(text, max_tokens=1))) for text in texts],
        "frame": [(str(sent[-60:]), byte_for_byte(sent)) for sent, _ in BAD_FRAMES],
        "shape": [(str(url), as_json(shape(url))) for url in NO_ADDRESSES],
        "type": [(str(k), over_http("POST", ASK, hello, {"Content-Type": k} if k else {})) for k in kinds],
        "too much": [
            ("1,000 pictures", as_json(question("What?", *[data_url(b"x")] * 1000))),
            ("16 pictures of 25 million pixels", about(*large * 8)),
            ("a body of 40 MB", over_http("POST", ASK, b" " * 40_000_000)),
            ("a body of 100 GB, it says", byte_for_byte(post(b"", b"Content-Length: 100000000000"))),
            ("chunks without end", byte_for_byte(chunked, *[chunk] * 3000)),
            ("a head of 1 MB", byte_for_byte(head + b"X: " + b"a" * 1_000_000)),
            ("10,000 lines of head", byte_for_byte(head, *[b"X: a\r\n"] * 10_000)),
        ],
        "leaver": [
            ("in its head", leaves(head)),
            ("in its body", leaves(post(hello[:9], length))),
            ("in its answer", leaves(post(hello, length))),
        ],
    }


def in_turn(rng: random.Random) -> Iterator[tuple[str, Send]]:
    """A request of each kind in turn, for ever; none twice before all were there."""
    while True:
        left = {kind: rng.sample(each, len(each)) for kind, each in requests().items()}
        while left:
            for kind in list(left):
                what, send = left[kind].pop()
                yield f"{kind}: {what[:60]!r}", send
                if not left[kind]:
                    del left[kind]


def cases(number: int, seed: int) -> Iterator[tuple[str, Send]]:
    """A picture, a request, and so on."""
    rng = random.Random(seed)
    asked = in_turn(rng)
    for i in range(number):
        if i % 2:
            yield next(asked)
        else:
            make = HARMFUL[i // 2 % len(HARMFUL)]
            content = make(rng)
            yield f"picture: {make.__name__}, {len(content):,} bytes", about(content)


def serve(listening: socket.socket) -> None:
    """The server's process."""
    from chiasm.serving.app import Server, Settings
    from chiasm.serving.listening import listener
    from chiasm.serving.pictures import PictureGuard
    from tests.backends.tiny import assistant

    model = assistant()
    settings = Settings(  # as `chiasm serve` has them; but whoever is slow on purpose is waited for a second, not 30
        "tiny",
        body_seconds=1.0,
        pictures=PictureGuard(opens=model.open_ahead),
        count=model.prompt_tokens,
        tells_likely=True,
        check_schema=model.check_schema,
        look=model.looked,
    )
    listener(Server(model, settings), 1.0).run([listening])


def timed(port: int, what: str, send: Send, is_good: bool = False) -> Sent:
    begun = time.perf_counter()
    try:
        status = send(port)
    except (OSError, http.client.HTTPException):
        status = UNANSWERED
    return Sent(time.perf_counter() - begun, what, status, is_good)


def resident(port: int) -> float:
    """Megabytes."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/metrics")
    lines = connection.getresponse().read().decode().splitlines()
    connection.close()
    return next(float(line.split()[1]) for line in lines if line.startswith("chiasm_resident")) / 1e6


def sent_to(port: int, number: int, seed: int, prints_all: bool) -> Iterator[Sent]:
    """Each case, and beside one of every ten, pictures as well as requests, a good question."""
    rng, good = random.Random(seed), about(encoded(noise(320, 200), "JPEG"))
    chosen = {ten + rng.randrange(10) for ten in range(0, number, 10)}
    with ThreadPoolExecutor(1) as beside:
        for i, (what, send) in enumerate(cases(number, seed)):
            other = beside.submit(timed, port, f"good one beside {what}", good, True) if i in chosen else None
            for each in (timed(port, what, send), *([other.result()] if other else ())):
                if prints_all:
                    print(f"{each.seconds:.2f} s, {each.status}, {resident(port):.0f} MB: {each.what}", flush=True)
                yield each


def verdict(found: list[Sent], before: float, after: float) -> int:
    """Prints what there is to say; 1 where something does not hold."""
    for each in sorted(found, key=lambda sent: -sent.seconds)[:5]:
        print(f"  {each.seconds:.2f} s, {each.status}: {each.what}")
    slow = [each for each in found if each.seconds > MOST_SECONDS]
    faults = [each for each in found if each.is_fault]
    num_good = sum(each.is_good for each in found)
    print(
        f"{len(found) - num_good} bad and {num_good} good ones: {len(faults)} faults, {len(slow)} above "
        f"{MOST_SECONDS:g} s, memory {before:.0f} MB before and {after:.0f} MB after"
    )
    for each in faults:
        print(f"FAULT {each.status}: {each.what}")
    for each in slow:
        print(f"SLOW {each.seconds:.2f} s: {each.what}")
    if after > before + MOST_GROWTH:
        print(f"MEMORY {after - before:.0f} MB more than before, at most {MOST_GROWTH:g}")
    return int(bool(faults or slow) or after > before + MOST_GROWTH)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--all", action="store_true", help="print every one")
    options = parser.parse_args()

    from chiasm.serving.listening import bound

    listening = bound("127.0.0.1", 0)
    port = listening.getsockname()[1]
    process = multiprocessing.get_context("fork").Process(target=serve, args=(listening,), daemon=True)
    process.start()
    listening.close()
    try:
        over_http("GET", "/health", seconds=600)(port)  # a busy machine takes its time to begin
        for i in range(40):  # caches of pictures and conversations fill up
            about(encoded(noise(300 + i, 200), ("PNG", "JPEG", "WEBP")[i % 3]))(port)
        before = resident(port)
        found = list(sent_to(port, options.cases, options.seed, options.all))
        time.sleep(2)  # the server tidies up when nobody asks
        after = resident(port)
    finally:
        process.terminate()
        process.join(20)
    return verdict(found, before, after)


if __name__ == "__main__":
    sys.exit(main())
