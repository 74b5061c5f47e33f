"""One function over many things, in threads, its results in order. It knows neither the function nor the things."""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import islice
from typing import Generic, TypeVar

from chiasm.data.daemon_pool import DaemonPool, Late, came_within

T = TypeVar("T")
R = TypeVar("R")

_AT_ONCE = 16  # things of one task; a task costs some 20 microseconds. Ours
_AHEAD = 4  # tasks a thread has waiting, so that memory does not grow with the things. Ours


def num_cores() -> int:
    """How many of this machine's cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_threads(
    function: Callable[[T], R], things: Iterable[T], workers: int, patience: float = math.inf
) -> Iterator[R]:
    """`function` of each thing, in the order of the things, computed in `workers` threads a little ahead.

    What it raises is raised here, at its place; the rest is then left undone. Raises `Late` with the thing whose result
    did not come in `patience` seconds of waiting.
    """
    source = iter(things)
    waiting: deque[tuple[_Several[T, R], Future[None]]] = deque()
    with DaemonPool(workers, "things") as pool:
        while things_of_task := list(islice(source, _AT_ONCE)):
            task: _Several[T, R] = _Several(function, things_of_task)
            waiting.append((task, pool.submit(_Several.compute, task)))
            if len(waiting) >= _AHEAD * workers:
                yield from _results(*waiting.popleft(), patience)
        while waiting:
            yield from _results(*waiting.popleft(), patience)


@dataclass(slots=True)
class _Several(Generic[T, R]):
    """A task: several things, and the results there are."""

    function: Callable[[T], R]
    things: list[T]
    results: list[R] = field(default_factory=list)

    def compute(self) -> None:
        for thing in self.things:
            self.results.append(self.function(thing))


def _results(task: _Several[T, R], future: Future[None], patience: float) -> list[R]:
    """All results of a task, as long as one after the other comes in time."""
    there = -1
    while there < len(task.results):
        there = len(task.results)
        if came_within(future, patience):
            future.result()
            return task.results
    raise Late(task.things[there])
