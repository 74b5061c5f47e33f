"""How many are served at one time, how many may wait, and when everybody has to go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from chiasm.serving.faults import Refused

_FAILING = 3  # faults of the model in a row, after which it is no longer said to be well; ours


@dataclass
class Desk:
    """`max_running` answers are written side by side, `max_waiting` requests wait; more are told to come again."""

    max_running: int
    max_waiting: int
    num_in: int = 0
    num_running: int = 0
    num_faults: int = 0  # in a row
    stopping: bool = False
    _free: asyncio.Semaphore = field(init=False)
    _cut: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._free = asyncio.Semaphore(self.max_running)

    @property
    def num_waiting(self) -> int:
        """Requests that were let in and have no slot."""
        return self.num_in - self.num_running

    @property
    def has_free_slot(self) -> bool:
        """Whether `slot` would not have to be waited for."""
        return not self._free.locked()

    @property
    def status(self) -> str:
        """How it is, in a word."""
        return "stopping" if self.stopping else "failing" if self.num_faults >= _FAILING else "ok"

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Be let in; raises `Refused` when the house is full or closing."""
        if self.stopping:
            raise Refused(503, "the server is stopping", code="stopping", retry_after=5, close=True)
        if self.num_in >= self.max_running + self.max_waiting:
            raise Refused(429, "too many requests are waiting: try again", code="busy", retry_after=1)
        self.num_in += 1
        try:
            yield
        finally:
            self.num_in -= 1

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Wait for one's turn, and have it."""
        async with self._free:
            self.num_running += 1
            try:
                yield
            finally:
                self.num_running -= 1

    def stop(self, grace: float) -> None:
        """Let nobody in any more; those inside are cut off after `grace` seconds."""
        if not self.stopping:
            self.stopping = True
            asyncio.get_running_loop().call_later(grace, self._cut.set)

    async def cut(self) -> None:
        """Returns when everybody has to go."""
        await self._cut.wait()
