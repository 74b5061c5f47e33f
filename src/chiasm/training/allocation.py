"""Memory of the C library: what a step frees is what the next one asks for, so it is not given back in between."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys

# From glibc's malloc.h: when freed memory at the end of the heap goes back, and from which size each block is mapped
# from the system by itself, page by page, and unmapped again.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_NEVER = -1
_LARGEST = (1 << 30, 32 << 20)  # the second is the most that older versions take


def keep_freed_memory() -> None:
    """Let this process keep what it frees: unless the environment says how, and of glibc alone."""
    told = any(name.startswith("MALLOC_") or name == "GLIBC_TUNABLES" for name in os.environ)
    if told or not sys.platform.startswith("linux"):
        return
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        # Told one of the two alone, it stops adapting the other.
        if any(mallopt(_M_MMAP_THRESHOLD, size) for size in _LARGEST):
            mallopt(_M_TRIM_THRESHOLD, _NEVER)
