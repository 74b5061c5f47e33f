"""From a model that blocks to a loop: the first piece is on its way before the second is computed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from chiasm.backends.scripted import ScriptedChatModel
from chiasm.chat import Delta, Sampling, Usage
from chiasm.conversation import Conversation, user
from chiasm.serving import answering
from chiasm.serving.answering import Answering
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
    answer, begun = Answering(threads, Mailbox(), model), []
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
        answer = Answering(threads, Mailbox(), Silent([""]))
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
        answer = Answering(threads, Mailbox(), model)
        answer.begin(Conversation((user("What?"),)), Sampling())
        await answer.next()
        async with asyncio.timeout(10):
            await answer.close()

    with ThreadPoolExecutor(1) as threads:
        asyncio.run(left())
    assert model.num_begun <= 2
