"""Waiting that a bell ends: once for all, and never in place of who cancels the task itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any

import pytest

from chiasm.serving.bell import Bell, RungError, at_once


def in_a_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @wraps(test)
    def run(**arguments: Any) -> None:
        asyncio.run(test(**arguments))

    return run


@in_a_loop
async def test_what_is_waited_for_comes_or_raises() -> None:
    bell = Bell()
    assert await bell.wait_for(asyncio.sleep(0, "made")) == "made"
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    future.set_exception(KeyError("theirs"))
    with pytest.raises(KeyError, match="theirs"):
        await bell.wait_for(future)


@in_a_loop
async def test_a_ring_ends_the_waiting_and_cancels_the_work() -> None:
    bell, ends = Bell(), list[str]()

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ends.append("cancelled")
            raise

    asyncio.get_running_loop().call_later(0.01, bell.ring)
    with pytest.raises(RungError):
        await bell.wait_for(work())
    assert ends == ["cancelled"]
    await asyncio.sleep(0)  # this task itself goes on
    task = asyncio.current_task()
    assert task is not None
    assert not task.cancelling()


@in_a_loop
async def test_after_the_ring_nothing_is_begun() -> None:
    bell = Bell()
    bell.ring()
    bell.ring()
    work, future = asyncio.sleep(0, "made"), asyncio.get_running_loop().create_future()
    for each in (work, future):
        with pytest.raises(RungError):
            await bell.wait_for(each)
    assert future.cancelled()


@pytest.mark.parametrize("first", ["bell", "task"])
@in_a_loop
async def test_who_is_cancelled_by_somebody_else_is_cancelled(first: str) -> None:
    bell = Bell()
    task = asyncio.create_task(bell.wait_for(asyncio.sleep(60)))
    await asyncio.sleep(0)
    for end in (bell.ring, task.cancel) if first == "bell" else (task.cancel, bell.ring):
        end()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()


@in_a_loop
async def test_at_once_does_what_needs_no_waiting() -> None:
    said = list[str]()

    async def say(text: str, seconds: float) -> None:
        if seconds:
            await asyncio.sleep(seconds)
        said.append(text)

    assert await at_once(say("now", 0))
    assert not await at_once(say("later", 60))
    assert said == ["now"]
    task = asyncio.create_task(at_once(say("never", 0.01)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0.05)
    assert said == ["now"]


@in_a_loop
async def test_what_needs_no_waiting_is_done_and_what_does_goes_on_where_it_was() -> None:
    bell, steps = Bell(), list[object]()

    async def work(pauses: int) -> str:
        for _ in range(pauses):
            try:
                steps.append(await asyncio.sleep(0.001, "slept"))
            except asyncio.CancelledError:
                steps.append("cancelled")
                raise
        return "made"

    assert [await bell.wait_for(work(pauses)) for pauses in (0, 1, 3)] == ["made"] * 3
    assert steps == ["slept"] * 4
    waiting = asyncio.create_task(bell.wait_for(work(1000)))
    await asyncio.sleep(0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert steps[-1] == "cancelled"
    assert not bell.has_rung()
