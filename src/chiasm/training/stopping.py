"""Signals that ask a run to stop: collected, so that it can save itself first. It knows nothing of runs."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType

from chiasm.training.parallel import ALONE, World

# SIGHUP: the terminal of a run over ssh went away. SIGUSR1: a job system says that its time is nearly up.
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1")
_STOPPING = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))
# What a job system sends to all processes of a job torchrun sends to its own once more. Seconds; ours.
_SAME_SIGNAL = 5.0


class Interrupted(Exception):
    """A signal asked the run to stop; it has saved itself."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(signal_number).name}")
        self.signal_number = signal_number


@contextlib.contextmanager
def stop_requests(world: World = ALONE) -> Iterator[list[int]]:
    """Collect signals that ask to stop instead of dying; a second one kills. Only the main thread may listen."""
    asked: list[int] = []
    first_heard = 0.0
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    # What `nohup` or a shell's background job ignores stays ignored.
    kept = {n: signal.getsignal(n) for n in _STOPPING if signal.getsignal(n) != signal.SIG_IGN}

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal first_heard
        if asked and world.size > 1 and time.monotonic() - first_heard < _SAME_SIGNAL:
            return
        asked.append(number)
        first_heard = time.monotonic()
        if len(asked) > 1:
            # Not by giving every handler back at the first: a signal that came meanwhile would meet none of them.
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    for number in kept:
        signal.signal(number, ask)
    try:
        yield asked
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
