"""Freed memory back to the system: glibc keeps what large pictures took, for a next one that may never come.

Large blocks go back at once, by its own settings. The rest is handed back when nobody is being answered, as it costs
some milliseconds; now and then while somebody always is. Where the C library is another one, nothing is done.
"""

from __future__ import annotations

import asyncio
import ctypes
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any

from chiasm.serving.metrics import resident_bytes

# <malloc.h>: free memory at the top of a heap above which it shrinks, and what is too large for heaps. Left alone, both
# grow with the largest block ever freed, to 64 and 32 MiB; the heaps of threads are then never made smaller again.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
# All ours. Blocks of a decoded picture have up to 16 MiB; of a step of a small model, fewer than these.
_LARGE = 4 << 20
_GROWN = 1 << 20  # bytes above the last time
_QUIET = 0.5  # seconds without a request
_LONGEST = 10.0  # seconds between two looks where it never is quiet


@dataclass
class Trimming:
    """Looks at the memory after requests. `is_idle` says whether nobody is being answered. Used by the event loop."""

    is_idle: Callable[[], bool]
    _resident: int = 0  # as the last one left it
    _last: float = field(default_factory=time.monotonic)
    _timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """From here on large blocks go back as soon as they are free."""
        library: Any = ctypes.CDLL(None)
        if hasattr(library, "mallopt"):
            for setting in (_TRIM_THRESHOLD, _MMAP_THRESHOLD):
                library.mallopt(setting, _LARGE)

    def ended(self, threads: Executor) -> None:
        """A request has ended; `threads` do the work, if there is any."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_QUIET, self._look, threads)

    def close(self) -> None:
        """No further looks."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self, threads: Executor) -> None:
        self._timer = None
        if not self.is_idle() and time.monotonic() - self._last < _LONGEST:
            return  # whoever is being answered will end, too
        self._last = time.monotonic()
        if resident_bytes() > self._resident + _GROWN:
            threads.submit(self._trim)

    def _trim(self) -> None:
        trim()
        self._resident = resident_bytes()


def trim() -> None:
    """Hand back what is free."""
    library: Any = ctypes.CDLL(None)
    if hasattr(library, "malloc_trim"):
        library.malloc_trim(0)
