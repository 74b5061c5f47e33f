"""What a step took: seconds, what went through in each of them, and memory. It knows neither losses nor files."""

from __future__ import annotations

import sys
import time

import torch

from chiasm.training.stepping import Totals

_GIB = 1 << 30


class Meter:
    """Measures one step after the other, in the process that reports."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._last = time.perf_counter()

    def leave_out(self) -> None:
        """What happened since the last step belongs to none: a checkpoint, a look at held-out data."""
        self._last = time.perf_counter()

    def lap(self, totals: Totals) -> dict[str, float | int | str]:
        """The step that just ended, over all processes; memory is this process's highest so far, in GiB."""
        now = time.perf_counter()
        seconds, self._last = now - self._last, now
        amounts = {
            "samples": totals.num_samples,
            "tokens": totals.num_tokens,
            "picture_tokens": totals.num_picture_tokens,
        }
        found: dict[str, float | int | str] = {f"num_{what}": amount for what, amount in amounts.items()}
        found["seconds"] = round(seconds, 4)
        found |= {f"{what}_per_second": round(amount / max(seconds, 1e-9), 2) for what, amount in amounts.items()}
        highest = peak_memory(self._device)
        return found if highest is None else {**found, "peak_memory_gib": round(highest / _GIB, 3)}


def peak_memory(device: torch.device) -> int | None:
    """The most bytes held so far: of a GPU what torch allocated there, elsewhere this process's resident memory.

    None where the system does not tell.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ImportError:  # Windows
        return None
    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return highest if sys.platform == "darwin" else highest * 1024  # bytes there, KiB elsewhere
