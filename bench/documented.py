"""Thousands of requests made from the server's own OpenAPI document, good ones and bad ones: does it keep to it?

Needs schemathesis (`pip install schemathesis`, or its command by `--schemathesis`). Serves a tiny model with random
weights and asks until `--cases` requests have been answered: each with a status, a content type and a body that the
document knows, and none with a fault of the server.

    python -m bench.documented --cases 2000
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import socket
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)


def serve(listening: socket.socket) -> None:
    """The server's process."""
    from chiasm.serving.app import Server, Settings
    from chiasm.serving.listening import listener
    from tests.backends.tiny import assistant

    model = assistant()
    settings = Settings(
        "tiny",
        max_tokens=16,
        count=model.prompt_tokens,
        tells_likely=True,
        check_schema=model.check_schema,
        look=model.looked,
    )
    listener(Server(model, settings), 1.0).run([listening])


def statuses(port: int) -> Counter[str]:
    """How many requests each status has answered, by route and status."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    connection.request("GET", "/metrics")
    lines = connection.getresponse().read().decode().splitlines()
    connection.close()
    counted = [line.rpartition(" ") for line in lines if line.startswith("chiasm_requests_total")]
    return Counter({name.partition("{")[2].rstrip("}"): int(value) for name, _, value in counted})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--schemathesis", type=Path, default=Path(sys.executable).with_name("schemathesis"))
    options = parser.parse_args()
    if not options.schemathesis.is_file():
        parser.error(f"no schemathesis at {options.schemathesis}: pip install schemathesis")

    from chiasm.serving.listening import bound

    listening = bound("127.0.0.1", 0)
    port = listening.getsockname()[1]
    process = multiprocessing.get_context("fork").Process(target=serve, args=(listening,), daemon=True)
    process.start()
    listening.close()
    failed, seed = False, options.seed
    try:
        while sum(statuses(port).values()) < options.cases and not failed:
            how = ["--mode", "all", "--max-examples", "200", "--seed", str(seed), "--checks", ",".join(CHECKS)]
            how += ["--phases", "examples,coverage,fuzzing" if seed == options.seed else "fuzzing"]
            how += ["--warnings", "off", "--suppress-health-check", "all", "--max-response-time", "10"]
            address = f"http://127.0.0.1:{port}/openapi.json"
            with tempfile.TemporaryDirectory() as folder:  # where it keeps what failed
                command = [options.schemathesis.absolute(), "run", address, *how]
                failed = subprocess.run(command, cwd=folder, check=False).returncode != 0
            seed += 1
        answered = statuses(port)
    finally:
        process.terminate()
        process.join(20)
    print(json.dumps(answered, indent=1, sort_keys=True))
    faults = sum(number for name, number in answered.items() if 'status="5' in name)
    print(
        f"{sum(answered.values())} requests, {faults} faults of the server, {'FAILED' if failed else 'as documented'}"
    )
    return int(failed or faults > 0)


if __name__ == "__main__":
    sys.exit(main())
