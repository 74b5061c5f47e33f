"""Many threads fill it, one loop empties it: nothing is lost and nothing overtakes."""

from __future__ import annotations

import asyncio
import threading

from chiasm.serving.mailbox import Mailbox


async def _received(num_threads: int, num_letters: int) -> tuple[dict[int, list[int]], int]:
    """What came from each thread, and how often the loop was woken for it."""
    loop, num_calls = asyncio.get_running_loop(), 0
    call_soon = loop.call_soon_threadsafe

    def counted(*args, **kwargs):  # type: ignore[no-untyped-def]
        nonlocal num_calls
        num_calls += 1
        return call_soon(*args, **kwargs)

    loop.call_soon_threadsafe = counted  # type: ignore[method-assign]
    mailbox, came = Mailbox(), dict[int, list[int]]()

    def take(letter: tuple[int, int]) -> None:
        came.setdefault(letter[0], []).append(letter[1])

    def write(writer: int) -> None:
        for number in range(num_letters):
            mailbox.send(take, (writer, number))

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(num_threads)]
    for thread in threads:
        thread.start()
    for thread in threads:  # the loop is held meanwhile, half of the time
        if thread is threads[num_threads // 2]:
            await asyncio.sleep(0.01)
        thread.join()
    await asyncio.sleep(0.01)
    return came, num_calls


def test_all_letters_come_in_order_with_few_calls() -> None:
    came, num_calls = asyncio.run(_received(8, 2000))
    assert came == {writer: list(range(2000)) for writer in range(8)}
    assert 1 <= num_calls < 8000
