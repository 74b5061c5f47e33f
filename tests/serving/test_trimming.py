"""What large pictures took goes back to the system, and a request that has ended leaves nothing to be collected."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest

from chiasm.backends.scripted import ScriptedChatModel
from tests.serving.running import data_url, png, question, running

# In a process of its own: the memory of one that has run other tests says nothing.
PROGRAM = """
import ctypes, os, threading, time
from chiasm.serving.metrics import resident_bytes
from chiasm.serving.pictures import PictureGuard
from chiasm.serving.trimming import Trimming
from tests.serving.running import data_url, png

trimming = Trimming(lambda: True)
if os.environ.get("TRIM"):
    trimming.begin()
guard = PictureGuard()
url = [data_url(png(colour, (4000, 3000), "JPEG")) for colour in ("red", "blue", "green", "white")]
guard.open([data_url(png())])
before = resident_bytes()
threads = [threading.Thread(target=guard.open, args=([each],)) for each in url]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
if os.environ.get("TRIM"):
    trimming._trim()
print((resident_bytes() - before) >> 20)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only glibc is told")
def test_memory_of_large_pictures_goes_back() -> None:
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONPATH": f"{root / 'src'}:{root}", "TRIM": "1"}
    run = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, env=environment, check=True)
    assert int(run.stdout) < 20


@pytest.mark.parametrize("url", [data_url(png()), data_url(b"x" * 1000)], ids=["good", "bad"])
def test_a_request_that_ended_is_gone_at_once(url: str) -> None:
    """Frames hold pictures: a cycle through them would keep megabytes until the collector comes by."""
    with running(ScriptedChatModel(["Fine."])) as server:
        server.ask(question("What?", url))
        desk = server.server.desk
        gc.collect()
        gc.disable()
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            for _ in range(2):
                server.ask(question("What?", url))
            server.wait_until(lambda: desk.num_in == 0)
            gc.collect()
            left = [found.f_code.co_qualname for found in gc.garbage if type(found).__name__ == "frame"]
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()
    assert left == []
