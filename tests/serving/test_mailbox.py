"""Many threads fill it, one loop empties it: nothing is lost, nothing overtakes, and few calls are made."""

from __future__ import annotations

import asyncio
import threading
from collections import deque

import pytest

from chiasm.serving.mailbox import Mailbox

Letter = tuple[int, int]


async def _received(num_threads: int, num_letters: int, together: bool) -> tuple[dict[int, list[int]], int]:
    """What came from each thread, and how often the loop was called; `together`: while the loop is running."""
    loop, num_calls = asyncio.get_running_loop(), 0
    call_soon = loop.call_soon_threadsafe

    def counted(*args, **kwargs):  # type: ignore[no-untyped-def]
        nonlocal num_calls
        num_calls += 1
        return call_soon(*args, **kwargs)

    mailbox, came = Mailbox(), dict[int, list[int]]()

    def take(letter: Letter) -> None:
        came.setdefault(letter[0], []).append(letter[1])

    def write(writer: int) -> None:
        for number in range(num_letters):
            mailbox.send(take, (writer, number))

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(num_threads)]
    loop.call_soon_threadsafe = counted  # type: ignore[method-assign]
    for thread in threads:
        thread.start()
    while together and any(thread.is_alive() for thread in threads):
        await asyncio.sleep(0)
    for thread in threads:
        thread.join()
    await asyncio.sleep(0.01)
    return came, num_calls


@pytest.mark.parametrize("together", [True, False])
def test_all_letters_come_in_order(together: bool) -> None:
    came, num_calls = asyncio.run(_received(8, 2000, together))
    assert came == {writer: list(range(2000)) for writer in range(8)}
    assert num_calls < 16000 if together else num_calls == 1


class Late(deque[object]):
    """When it is first found empty, `send` is called, as by a thread that comes between two lines."""

    def __init__(self) -> None:
        super().__init__()
        self.send = lambda: None

    def __bool__(self) -> bool:
        if len(self):
            return True
        send, self.send = self.send, lambda: None
        send()
        return False


def test_a_letter_that_comes_when_all_were_taken_is_not_left_lying() -> None:
    async def received() -> list[int]:
        mailbox, came = Mailbox(), list[int]()
        letters = Late()
        letters.send = lambda: mailbox.send(came.append, 2)
        mailbox._letters = letters  # type: ignore[assignment]
        mailbox.send(came.append, 1)
        await asyncio.sleep(0.01)
        return came

    assert asyncio.run(received()) == [1, 2]


def test_a_closed_loop_is_said_to_everyone() -> None:
    async def made() -> Mailbox:
        return Mailbox()

    mailbox = asyncio.run(made())
    for _ in range(2):
        with pytest.raises(RuntimeError, match="closed"):
            mailbox.send(print, "nobody")
