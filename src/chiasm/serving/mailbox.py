"""From threads to the event loop, with one call for all that has gathered.

Each call wakes the loop through a socket, a system call for every piece of every answer.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TypeVar

_Thing = TypeVar("_Thing")


class Mailbox:
    """Made in the loop, filled by any thread, emptied in the order it was filled."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._letters: deque[Callable[[], None]] = deque()
        self._is_rung = False

    def send(self, take: Callable[[_Thing], None], thing: _Thing) -> None:
        """Have the loop call `take` with `thing` soon."""
        self._letters.append(lambda: take(thing))
        if not self._is_rung:
            self._is_rung = True
            try:
                self._loop.call_soon_threadsafe(self._empty)
            except RuntimeError:  # the loop is closed: the next to send should hear it, too
                self._is_rung = False
                raise

    def _empty(self) -> None:
        self._is_rung = False  # before it is emptied: what comes from here on is either seen or rings again
        while self._letters:
            self._letters.popleft()()
