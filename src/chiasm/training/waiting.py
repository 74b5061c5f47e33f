"""Samples that do not come, because a disk or a network hangs: who they are, and how a run goes on that ended there."""

from __future__ import annotations

from collections.abc import Sequence

from chiasm.conversation import RecordError
from chiasm.data.daemon_pool import DaemonPool, came_within
from chiasm.training.objectives import Objective

_NAMING = 5.0  # seconds; ours


class DidNotCome(Exception):
    """Samples some process waited for in vain, as `called` calls them. All processes of a run raise it in step."""

    def __init__(self, samples: Sequence[str]) -> None:
        super().__init__(", ".join(samples))


def called(objective: Objective, index: int, in_haste: bool = False) -> str:
    """What to call a sample that did not come. Its number has to do where its record hangs as well, or `in_haste`."""
    if in_haste:
        return f"sample {index}"
    with DaemonPool(1, "naming") as pool:
        asked = pool.submit(objective.name, index)
        try:
            return f"sample '{asked.result()}' (number {index})" if came_within(asked, _NAMING) else f"sample {index}"
        except (RecordError, OSError):
            return f"sample {index}"


def advice(standing: str) -> str:
    """What to do then, as the end of that line; `standing` says where the run stands."""
    longer = "--set sample_timeout=SECONDS waits longer"
    return f"{standing}: the same command with --resume goes on from there, and {longer}"
