"""Waiting that others may end. What is waited for runs in the task of who waits.

A task for it, and others beside it to be waited for at once, were a fifth of the event loop's work for each piece of an
answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import types
from collections.abc import Awaitable, Coroutine, Generator
from typing import Any, TypeVar, cast

_Made = TypeVar("_Made")


class RungError(Exception):
    """The bell has rung: there will be nothing more."""


class Bell:
    """Rings once. Whoever waits then, or begins to wait later, hears `RungError`. For one task at a time."""

    def __init__(self) -> None:
        self._rung = False
        self._waiting: asyncio.Timeout | None = None

    def has_rung(self) -> bool:
        """Whether all waiting has ended."""
        return self._rung

    def ring(self, *_: object) -> None:
        """End all waiting; what was waited for is cancelled."""
        if not self._rung:
            self._rung = True
            if self._waiting is not None:
                self._waiting.reschedule(asyncio.get_running_loop().time())

    async def wait_for(self, work: Awaitable[_Made]) -> _Made:
        """What `work` gives, or raises, unless the bell rings first."""
        assert self._waiting is None
        if self._rung:
            _give_up(work)
            raise RungError
        if isinstance(work, Coroutine):
            try:
                waits_for = work.send(None)
            except StopIteration as done:  # most of what is sent: there was nothing to wait for
                return cast("_Made", done.value)
            work = _rest(work, waits_for)
        waiting = asyncio.timeout(None)  # it has no end yet: a ring gives it one
        try:
            async with waiting:
                self._waiting = waiting
                return await work
        except TimeoutError:
            if waiting.expired():
                raise RungError from None
            raise  # the work's own
        finally:
            self._waiting = None


async def at_once(work: Coroutine[Any, Any, None]) -> bool:
    """Do `work` if that takes no waiting; whether it is done."""
    task = asyncio.create_task(work)
    try:
        await asyncio.sleep(0)
    finally:
        is_done = task.done() or not task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return is_done


@types.coroutine
def _rest(work: Coroutine[Any, Any, _Made], waits_for: Any) -> Generator[Any, Any, _Made]:
    """`work`, which has been begun, to its end."""
    try:
        while True:
            try:
                given = yield waits_for
            except BaseException as error:
                waits_for = work.throw(error)
            else:
                waits_for = work.send(given)
    except StopIteration as done:
        return cast("_Made", done.value)


def _give_up(work: Awaitable[Any]) -> None:
    """Let go of what nobody will wait for."""
    if isinstance(work, Coroutine):
        work.close()
    elif isinstance(work, asyncio.Future):
        work.cancel()
