"""From a model that blocks to a loop: the first piece is on its way before the second is computed."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from chiasm.backends.scripted import ScriptedChatModel
from chiasm.chat import Delta, Reader, Sampling, Usage
from chiasm.conversation import Conversation, user
from chiasm.errors import UserError
from chiasm.serving import answering
from chiasm.serving.answering import Pulled, Told
from chiasm.serving.mailbox import Mailbox


class Counting(ScriptedChatModel):
    """Three pieces; `num_begun` of them it was asked for."""

    def __init__(self) -> None:
        super().__init__([""])
        self.num_begun = 0

    def stream(self, conversation: Conversation, sampling: Sampling) -> Iterator[Delta]:
        for delta in (Delta("a"), Delta("b"), Delta("c", "stop", Usage(1, 0, 3))):
            self.num_begun += 1
            yield delta


async def read(threads: ThreadPoolExecutor, model: Counting) -> list[int]:
    """How many pieces had been begun while each of three was being sent."""
    answer, begun = Pulled(threads, Mailbox(), model), []
    answer.begin(Conversation((user("What?"),)), Sampling())
    try:
        for _ in range(3):
            assert await answer.next() is not None
            await asyncio.sleep(0.1)
            begun.append(model.num_begun)
    finally:
        await answer.close()
    return begun


@pytest.mark.parametrize(("patience", "expected"), [(30.0, [1, 3, 3]), (0.001, [3, 3, 3])])
def test_the_second_piece_is_begun_when_the_first_is_sent(
    monkeypatch: pytest.MonkeyPatch, patience: float, expected: list[int]
) -> None:
    monkeypatch.setattr(answering, "_FIRST_SECONDS", patience)
    with ThreadPoolExecutor(1) as threads:
        assert asyncio.run(read(threads, Counting())) == expected


def test_who_leaves_while_nothing_is_shown_ends_the_answer_at_the_next_token() -> None:
    """As where a stop string may be on its way, or a pattern asks for a thousand spaces."""
    num_silent = 0

    class Silent(ScriptedChatModel):
        def stream(self, conversation: Conversation, sampling: Sampling) -> Iterator[Delta]:
            nonlocal num_silent
            yield Delta("a")
            while num_silent < 2000:
                num_silent += 1
                time.sleep(0.005)
                yield Delta("")
            yield Delta("b", "stop", Usage(1, 0, 2000))

    async def left() -> None:
        answer = Pulled(threads, Mailbox(), Silent([""]))
        answer.begin(Conversation((user("What?"),)), Sampling())
        first = await answer.next()
        assert first is not None
        assert first.text == "a"
        await asyncio.sleep(0.1)
        await answer.close()

    with ThreadPoolExecutor(1) as threads:
        asyncio.run(left())
    assert 0 < num_silent < 200


def test_who_leaves_before_the_second_piece_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering, "_FIRST_SECONDS", 30.0)
    model = Counting()

    async def left() -> None:
        answer = Pulled(threads, Mailbox(), model)
        answer.begin(Conversation((user("What?"),)), Sampling())
        await answer.next()
        async with asyncio.timeout(10):
            await answer.close()

    with ThreadPoolExecutor(1) as threads:
        asyncio.run(left())
    assert model.num_begun <= 2


class Telling:
    """A model that tells 200 pieces, one whenever it is called to go on, or its reader still wants more."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error, self.num_told, self.num_closed = error, 0, 0
        self._busy = threading.Lock()
        self._readers: list[Reader] = []

    def tell(self, conversation: Conversation, sampling: Sampling, reader: Reader) -> Telling:
        if self.error is not None:
            raise self.error
        self._readers.append(reader)
        self.go_on()
        time.sleep(0.05)  # much may happen until whoever asked knows whom to call
        return self

    def go_on(self) -> None:
        threading.Thread(target=self._tell).start()

    def close(self) -> None:
        self.num_closed += 1

    def _tell(self) -> None:
        with self._busy:
            while self.num_told < 200 and self._readers[0].wants():
                self.num_told += 1
                ended = self.num_told == 200
                self._readers[0].hear(Delta("x", "stop", Usage(1, 0, 200)) if ended else Delta("x"))


def answered(model: Telling, read: Callable[[Told], Coroutine[object, object, None]]) -> None:
    async def answering() -> None:
        answer = Told(threads, Mailbox(), model)
        answer.begin(Conversation((user("What?"),)), Sampling())
        try:
            async with asyncio.timeout(20):
                await read(answer)
        finally:
            await answer.close()

    with ThreadPoolExecutor(1) as threads:
        asyncio.run(answering())


def test_what_is_told_is_read_to_its_end() -> None:
    pieces: list[Delta] = []

    async def read(answer: Told) -> None:
        while (piece := await answer.next()) is not None:
            pieces.append(piece)

    model = Telling()
    answered(model, read)
    assert [piece.text for piece in pieces] == ["x"] * 200
    assert pieces[-1].finish_reason == "stop"
    assert model.num_closed == 1


def test_a_model_that_tells_waits_for_the_first_piece_and_is_never_far_ahead() -> None:
    model, told = Telling(), list[int]()

    async def read(answer: Told) -> None:
        for _ in range(3):
            await answer.next()
            await asyncio.sleep(0.2)
            told.append(model.num_told)

    answered(model, read)
    assert told[0] == 1
    assert 60 < told[1] <= told[2] < 70


def test_what_a_model_raises_before_it_tells_is_raised_to_who_asked() -> None:
    async def read(answer: Told) -> None:
        with pytest.raises(UserError, match="too long"):
            await answer.next()
        assert await answer.next() is None

    answered(Telling(UserError("too long")), read)


def test_who_leaves_while_the_answer_is_being_begun_leaves_nothing_behind() -> None:
    model = Telling()

    async def left() -> None:
        answer = Told(threads, Mailbox(), model)
        answer.begin(Conversation((user("What?"),)), Sampling())
        await asyncio.sleep(0.01)  # inside `tell`
        closing = asyncio.create_task(answer.close())
        await asyncio.sleep(0)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing

    with ThreadPoolExecutor(1) as threads:
        asyncio.run(left())
    assert model.num_closed >= 1
