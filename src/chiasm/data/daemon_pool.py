"""Threads that never keep a program from ending, and waiting for what they compute with an end to patience.

`ThreadPoolExecutor` joins its threads when the program ends: one read that hangs, on a network file system say, would
hang the program for ever. It knows neither what is computed nor why.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, wait
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread, current_thread
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")
R = TypeVar("R")

_FAREWELL = 2.0  # seconds a closed pool waits for what is being computed; ours
_SLICE = 1.0  # seconds waited at a time; ours

_Task = tuple[Future[Any], Callable[[Any], Any], Any]


class Late(Exception):
    """`thing` was waited for in vain: what computes it hangs or takes too long, or who waits has to go."""

    def __init__(self, thing: Any) -> None:
        super().__init__(f"{thing!r} did not come")
        self.thing = thing


def why_late(what: object, patience: float) -> str:
    """Why work ends that waited for `what` in vain, as the beginning of a line."""
    return f"{what} did not come within {patience:g} seconds: the disk or network it is read from hangs, or is too slow"


class DaemonPool:
    """Functions of things, computed in `workers` threads and begun in the order in which they are submitted."""

    def __init__(self, workers: int, name: str) -> None:
        self._tasks: SimpleQueue[_Task | None] = SimpleQueue()
        self._threads = [
            Thread(target=_work, args=(self._tasks,), name=f"{name}_{number}", daemon=True) for number in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def submit(self, function: Callable[[T], R], thing: T) -> Future[R]:
        """`function` of `thing`, when its turn comes."""
        future: Future[R] = Future()
        self._tasks.put((future, function, thing))
        return future

    def map(
        self,
        function: Callable[[T], R],
        things: Iterable[T],
        patience: float = math.inf,
        has_to_go: Callable[[], bool] = lambda: False,
    ) -> Iterator[R]:
        """`function` of each thing, in order. Raises `Late` for one that does not come within `patience`."""
        asked = deque((thing, self.submit(function, thing)) for thing in things)
        while asked:
            thing, future = asked.popleft()
            if not came_within(future, patience, has_to_go):
                raise Late(thing)
            yield future.result()

    def close(self) -> None:
        """Forget what has not begun, and leave behind what does not end soon."""
        with suppress(Empty):
            while True:
                if (task := self._tasks.get_nowait()) is not None:
                    task[0].cancel()
        for _ in self._threads:
            self._tasks.put(None)
        deadline = time.monotonic() + _FAREWELL
        for thread in self._threads:
            if thread is not current_thread():  # whoever collects garbage may be the one to close
                thread.join(max(0.0, deadline - time.monotonic()))


def came_within(future: Future[Any], patience: float, has_to_go: Callable[[], bool] = lambda: False) -> bool:
    """Whether `future` is done after at most `patience` seconds of waiting, fewer for who `has_to_go`.

    They are counted in slices, not by the clock: a program that was suspended for an hour has waited for one slice.
    """
    while not future.done():
        if patience <= 0 or has_to_go():
            return False
        wait([future], min(patience, _SLICE))
        patience -= _SLICE
    return True


def _work(tasks: SimpleQueue[_Task | None]) -> None:
    """What a thread does all its life."""
    while (task := tasks.get()) is not None:
        future, function, thing = task
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(function(thing))
            except BaseException as error:  # raised where the result is asked for
                future.set_exception(error)
        del task, future, function, thing  # or the last result would be held until the next
