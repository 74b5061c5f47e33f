"""What the tests of dispatch share: small requests, and a clock that jumps instead of waiting."""

from __future__ import annotations

import threading

from chiasm.chat import Answer, Sampling, Usage
from chiasm.conversation import Conversation, user
from chiasm.dispatch import Request


class JumpingClock:
    """Time moves only when somebody would have waited; `waits` are for how long."""

    def __init__(self) -> None:
        self.time = 0.0
        self.waits: list[float] = []

    def now(self) -> float:
        return self.time

    def wait(self, news: threading.Condition, seconds: float | None) -> None:
        if seconds is None:
            assert news.wait(10), "nothing came in ten seconds"
        elif not news.wait(0.003):
            self.waits.append(seconds)
            self.time += seconds


def conversation(text: str) -> Conversation:
    return Conversation((user(text),))


def request(name: int | str, sampling: Sampling | None = None) -> Request:
    return Request(f"key-{name}", conversation(f"question {name}"), sampling or Sampling(max_tokens=10))


def answer(text: str = "yes", prompt: int = 5, tokens: int = 3) -> Answer:
    return Answer(text, "stop", Usage(prompt, 0, tokens))
