"""What a server does under load, over HTTP: many at once against one after another, second questions, hours, leavers.

Prints, for a served model (a folder, or random weights of a 135M Llama behind a tower): how much faster
`--clients` picture chats of `--tokens` tokens are side by side than one after the other; the time to the first token of
a second question about a picture against the first, about those of `--photographs` too; with `--minutes`, that many
minutes of as many streams with mixed pictures, whether each ended as it should, with the answer it gives alone, and
what became of the memory; with `--vanish`, how a server is after so many clients have left without a word: whether it
answers, and what they left behind; with `--peer`, how long `transformers serve` takes for the same chats with the same
weights (needs `pip install transformers[serving]`). The server has the limits of `chiasm serve`, unless more clients
are asked for.

    python -m bench.serving --minutes 0.2 --vanish 50
    python -m bench.serving --peer
    python -m bench.serving --tower clip-l --clients 4 --tokens 16 --runs 1
    python -m bench.serving --model runs/demo/final --minutes 10 --clients 16 --vanish 200
"""

from __future__ import annotations

import argparse
import base64
import http.client
import io
import itertools
import json
import multiprocessing
import os
import random
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from bench.served import NAME, TOWERS, random_weights, serve

NUM_ASKED = 500  # requests whose answers alone are known
NUM_TWICE = 50  # pictures of each kind asked about twice: of 25 the median still moved by a tenth
SIZES = ((336, 336), (640, 480), (96, 300))
# What second questions are about, of several lengths, as people ask.
THINGS = ("it", "the dog", "the cup on the table", "the umbrella of the person in the middle", "the car on the left")


def picture(seed: int) -> str:
    """A data URL of blocks of colour; mixed sizes, as photographs come."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    buffer = io.BytesIO()
    small.resize(SIZES[seed % len(SIZES)]).save(buffer, "JPEG")
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


@dataclass(frozen=True, slots=True)
class Heard:
    """A stream as a client saw it."""

    text: str
    seconds: float
    seconds_to_first: float
    num_answer: int
    num_prompt: int
    is_whole: bool  # one finish reason, then [DONE], which transformers leaves out


def request(url: str, text: str, num_tokens: int, model: str = NAME) -> bytes:
    content = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": text}]
    body = {"model": model, "messages": [{"role": "user", "content": content}], "max_tokens": num_tokens}
    return json.dumps({**body, "stream": True, "stream_options": {"include_usage": True}}).encode()


def listen(port: int, body: bytes, is_peer: bool = False) -> Heard:
    """Ask on a connection of its own, and read the stream to its end."""
    with _connected(port) as connection:
        return ask(connection, body, is_peer)


def ask(connection: socket.socket, body: bytes, is_peer: bool = False) -> Heard:
    """Ask, and read the stream to its end: parsed when all has come, so that parsing is not timed."""
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
    content, came = bytearray(), list[tuple[int, float]]()
    begun = time.perf_counter()
    connection.sendall(head.encode() + b"Content-Type: application/json\r\n\r\n" + body)
    while not content.endswith(b"\r\n0\r\n\r\n"):  # the end of a chunked body
        piece = connection.recv(1 << 16)
        content += piece
        came.append((len(content), time.perf_counter() - begun))
        if not piece or not content.startswith(b"HTTP/1.1 200 "[: len(content)]):
            break
    pieces: list[str] = []
    finishes, used, first, last = 0, {"completion_tokens": 0, "prompt_tokens": 0}, 0.0, ""
    for line in re.finditer(rb"^data: (.*)$", content, re.MULTILINE):
        last = line[1].decode().strip()
        if last == "[DONE]":
            continue
        event = json.loads(last)
        if event.get("usage"):
            used = event["usage"]
        for choice in event.get("choices", ()):
            if choice["delta"].get("content"):
                first = first or next(seconds for length, seconds in came if length >= line.end())
                pieces.append(choice["delta"]["content"])
            finishes += choice.get("finish_reason") is not None
    is_whole = content.startswith(b"HTTP/1.1 200 ") and finishes == 1 and (is_peer or last == "[DONE]")
    return Heard("".join(pieces), came[-1][1], first, used["completion_tokens"], used["prompt_tokens"], is_whole)


def _connected(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=600)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def metrics(port: int) -> dict[str, float]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/metrics")
    lines = connection.getresponse().read().decode().splitlines()
    connection.close()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[:1] != "#")}


def side_by_side(port: int, clients: int, num_tokens: int, runs: int) -> None:
    """The same chats one after another and at once, in turns; the first turn is for the server to warm up."""
    ratios, seed = [], 1000
    for run in range(1 + runs):
        took = []
        for width in (1, clients):
            bodies = [request(picture(seed + i), f"Question {i}?", num_tokens) for i in range(clients)]
            seed += clients  # pictures nobody has seen
            with ThreadPoolExecutor(width) as pool:
                begun = time.perf_counter()
                heard = list(pool.map(lambda body: listen(port, body), bodies))
            assert all(h.is_whole and h.num_answer == num_tokens for h in heard), heard
            took.append(time.perf_counter() - begun)
        if run == 0:
            continue
        ratios.append(took[0] / took[1])
        print(f"  one after another {took[0]:.2f} s, side by side {took[1]:.2f} s: {ratios[-1]:.2f} x", flush=True)
    print(f"{clients} picture chats of {num_tokens} tokens: {statistics.median(ratios):.2f} x (median)")


@contextmanager
def peer(tower: str, threads: int) -> Iterator[tuple[int, str]]:
    """`transformers serve` with the weights of `random_weights`: its port, and what it calls the model.

    One request after another, as it is without `--continuous-batching`, which runs a LLaVA without its pictures.
    """
    from chiasm.checkpoints import save

    with tempfile.TemporaryDirectory() as folder, socket.socket() as free:
        name = str(Path(folder) / "model")
        save(name, *random_weights(tower))
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        command = [str(Path(sys.executable).with_name("transformers")), "serve", name, "--device", "cpu"]
        command += ["--dtype", "float32", "--host", "127.0.0.1", "--port", str(port)]
        offline = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": str(threads)}
        log = (Path(folder) / "log").open("w+")
        process = subprocess.Popen(command, env={**os.environ, **offline}, stdout=log, stderr=subprocess.STDOUT)
        try:
            while not _answers(port):
                if process.poll() is not None:
                    sys.exit((Path(folder) / "log").read_text()[-2000:])
                time.sleep(0.2)
            yield port, name
        finally:
            process.terminate()
            process.wait(20)
            log.close()


def _answers(port: int) -> bool:
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except OSError:
        return False


def against_peer(port: int, tower: str, clients: int, num_tokens: int, runs: int, threads: int) -> None:
    """The same chats side by side with both, in turns."""
    with peer(tower, threads) as (theirs, name):
        listen(theirs, request(picture(0), "Warm up.", 4, name), is_peer=True)
        ratios, seed = [], 9000
        for run in range(runs):
            took, heard = [0.0, 0.0], [list[Heard](), list[Heard]()]
            for side in (0, 1) if run % 2 else (1, 0):
                asked = [
                    request(picture(seed + i), f"Question {i}?", num_tokens, name if side else NAME)
                    for i in range(clients)
                ]
                with ThreadPoolExecutor(clients) as pool:
                    begun = time.perf_counter()
                    heard[side] = list(
                        pool.map(listen, [theirs if side else port] * clients, asked, [bool(side)] * clients)
                    )
                took[side] = time.perf_counter() - begun
                assert all(h.is_whole and h.num_answer == num_tokens for h in heard[side]), heard[side]
            seed += clients
            alike = sum(a.text == b.text and a.num_prompt == b.num_prompt for a, b in zip(*heard, strict=True))
            ratios.append(took[1] / took[0])
            print(
                f"  chiasm {took[0]:.2f} s, transformers {took[1]:.2f} s: {ratios[-1]:.2f} x; {alike} of {clients} "
                "answers the same",
                flush=True,
            )
    print(
        f"{clients} picture chats of {num_tokens} tokens: {statistics.median(ratios):.2f} x transformers serve (median)"
    )


def second_question(port: int, runs: int, photographs: Path | None) -> None:
    """Two questions about each of so many pictures nobody has seen: drawn ones, then photographs if there are any.

    Each by a client of its own, who keeps the connection, as OpenAI's does.
    """
    kinds = {"drawn picture": [picture(5000 + i) for i in range(runs)]}
    if photographs is not None:
        files = sorted(each for each in photographs.rglob("*") if each.suffix.lower() in (".jpg", ".jpeg"))[:runs]
        kinds["photograph"] = [
            "data:image/jpeg;base64," + base64.b64encode(file.read_bytes()).decode() for file in files
        ]
    for kind, urls in kinds.items():
        pairs = []
        for url, things in zip(urls, itertools.cycle(itertools.permutations(THINGS))):
            questions = f"What is beside {things[0]}?", f"And what colour has {things[1]}?"
            with _connected(port) as client:
                heard = [ask(client, request(url, text, 4)) for text in questions]
            assert all(each.is_whole for each in heard), heard
            first, second = (each.seconds_to_first for each in heard)
            pairs.append((second / first, first, second))
        ratio, first, second = (statistics.median(each) for each in zip(*pairs, strict=True))
        took = f"{1e3 * second:.1f} against {1e3 * first:.1f} ms"
        print(
            f"first token of the second question about a {kind}: {ratio:.2f} of the first's time "
            f"({took}; medians of {len(pairs)})",
            flush=True,
        )


def hours(port: int, minutes: float, clients: int) -> None:
    """Streams for so many minutes; every answer is compared with the one given alone."""
    asked = [request(picture(i % 12), f"Question {i}?", 8 + 8 * (i % 5)) for i in range(NUM_ASKED)]
    alone = [listen(port, body).text for body in asked]
    seen = set[int]()
    end, memory = time.monotonic() + 60 * minutes, list[float]()
    counts = {"streams": 0, "broken": 0, "different": 0}

    def client(seed: int) -> None:
        rng = random.Random(seed)
        while time.monotonic() < end:
            i = rng.randrange(len(asked))
            heard = listen(port, asked[i])
            seen.add(i)
            counts["streams"] += 1
            counts["broken"] += not heard.is_whole
            counts["different"] += heard.text != alone[i]

    with ThreadPoolExecutor(clients) as pool:
        running = [pool.submit(client, seed) for seed in range(clients)]
        while time.monotonic() < end:
            time.sleep(min(5.0, max(0.1, 3 * minutes)))
            memory.append(metrics(port)["chiasm_resident_memory_bytes"] / 1e6)
        for each in running:
            each.result()
    after_third, at_end = medians(memory)
    print(
        f"{minutes:g} minutes of {clients} streams: {counts['streams']} streams of {len(seen)} different requests, "
        f"{counts['broken']} not ended as they should, {counts['different']} different from alone; memory "
        f"{after_third:.0f} MB after a third, {at_end:.0f} MB at the end, {max(memory):.0f} MB at most"
    )


def medians(samples: list[float]) -> tuple[float, float]:
    """Of a tenth of the samples around the first third, and of the last tenth: one sample alone says little."""
    number = len(samples)
    around = samples[number * 17 // 60 : -(-number * 23 // 60)]  # a third less and more a twentieth
    return statistics.median(around), statistics.median(samples[-max(1, number // 10) :])


def vanish(port: int, clients: int, server: int, max_running: int) -> None:
    """Clients that ask for 10,000 tokens and leave after half a second."""

    def held() -> tuple[int, int]:
        """Descriptors and threads of the server."""
        descriptors, threads = (len(list(Path(f"/proc/{server}/{each}").iterdir())) for each in ("fd", "task"))
        return descriptors, threads

    with ThreadPoolExecutor(max_running) as pool:  # a slot's thread is made when it is first needed, and stays
        list(pool.map(lambda i: listen(port, request(picture(i % 8), "Warm up.", 32)), range(max_running)))
    time.sleep(0.5)
    before = held()

    def leave(seed: int) -> None:
        body = request(picture(seed % 8), "Tell me all.", 10_000)
        with socket.create_connection(("127.0.0.1", port)) as connection:
            head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
            connection.sendall(head.encode() + b"Content-Type: application/json\r\n\r\n" + body)
            time.sleep(0.5)

    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(leave, range(clients)))
    heard = listen(port, request(picture(9), "Are you there?", 4))
    time.sleep(0.5)
    after, found = held(), metrics(port)  # in this order: to ask for metrics takes a descriptor
    print(
        f"{clients} clients left: the next was answered in {heard.seconds:.2f} s; {found['chiasm_running']:g} running, "
        f"{found['chiasm_waiting']:g} waiting, descriptors {before[0]} before and {after[0]} after, "
        f"threads {before[1]} before and {after[1]} after"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", help="a checkpoint folder; without it random weights, 135M-shaped")
    parser.add_argument("--tower", choices=TOWERS, default="small", help="of the random weights")
    parser.add_argument("--own-dtype", action="store_true", help="as the folder's weights are, not in float32")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--runs", type=int, default=9, help="turns of chats; with the peer a third")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=0.0)
    parser.add_argument("--vanish", type=int, default=0)
    parser.add_argument("--peer", action="store_true", help="compare with `transformers serve`")
    parser.add_argument("--photographs", type=Path, help="a folder of JPEG files to ask two questions about, too")
    options = parser.parse_args()
    if options.photographs and not any(options.photographs.rglob("*.[jJ][pP]*[gG]")):
        parser.error(f"no JPEG file in {options.photographs}: name a folder that holds some")
    if options.peer and options.model:
        parser.error("--peer compares random weights: a trained model would end its answers, at another place each")

    from chiasm.serving.app import Settings
    from chiasm.serving.listening import bound

    listening = bound("127.0.0.1", 0)
    port = listening.getsockname()[1]
    shipped = Settings(NAME)
    limits = max(shipped.max_running, options.clients), max(shipped.max_waiting, options.vanish)
    print(f"the server writes {limits[0]} answers side by side, {limits[1]} requests may wait", flush=True)
    dtype = None if options.own_dtype else "float32"
    arguments = (options.model, options.tower, dtype, options.threads, limits, listening)
    process = multiprocessing.get_context("fork").Process(target=serve, args=arguments, daemon=True)
    process.start()
    listening.close()
    try:
        for seed in range(2):
            listen(port, request(picture(seed), "Warm up.", 16))
        side_by_side(port, options.clients, options.tokens, options.runs)
        second_question(port, NUM_TWICE, options.photographs)
        if options.peer:
            against_peer(port, options.tower, options.clients, options.tokens, -(-options.runs // 3), options.threads)
        if options.minutes:
            hours(port, options.minutes, options.clients)
        if options.vanish:
            assert process.pid is not None
            vanish(port, options.vanish, process.pid, limits[0])
    finally:
        process.terminate()
        process.join(20)


if __name__ == "__main__":
    main()
