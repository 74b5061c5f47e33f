"""An answer shown while it comes, and what it cost."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import asdict, dataclass

from chiasm.chat import Delta, FinishReason, Usage
from chiasm.harmless import harmless


@dataclass(frozen=True, slots=True)
class Spoken:
    """An answer that was shown while it came; `finish_reason` and `usage` are None when it was stopped from outside."""

    text: str
    finish_reason: FinishReason | None
    usage: Usage | None
    seconds_to_first: float
    seconds: float
    unfamiliar: tuple[int, ...] = ()

    def fields(self) -> dict[str, object]:
        """What programs are told of a whole answer."""
        assert self.usage is not None
        fields: dict[str, object] = {
            "answer": self.text,
            "finish_reason": self.finish_reason,
            "usage": asdict(self.usage),
            "seconds_to_first_token": round(self.seconds_to_first, 4),
            "seconds": round(self.seconds, 4),
        }
        return {**fields, "unfamiliar_pictures": list(self.unfamiliar)} if self.unfamiliar else fields

    def timing(self) -> str:
        """One line for people: what the answer cost."""
        if self.usage is None:
            return f"stopped after {self.seconds:.2f} s"
        rest = self.seconds - self.seconds_to_first
        speed = f"{(self.usage.num_answer - 1) / rest:.1f} tokens/s" if self.usage.num_answer > 1 and rest > 0 else "-"
        return (
            f"first token {self.seconds_to_first:.2f} s, then {speed}; "
            f"{self.usage.num_answer} tokens, {self.usage.num_cached} of {self.usage.num_prompt} prompt tokens cached"
        )


def show(text: str) -> None:
    """Write a piece of an answer at once; to a terminal with what could command it made visible instead."""
    sys.stdout.write(harmless(text) if sys.stdout.isatty() else text)
    sys.stdout.flush()


def speak(deltas: Iterator[Delta], write: Callable[[str], None] = show) -> Spoken:
    """Show an answer piece by piece. Ctrl-C ends the answer, keeps what was shown and goes no further up."""
    start, first, shown = time.perf_counter(), None, []
    last: Delta | None = None
    try:
        for last in deltas:
            first = time.perf_counter() if first is None else first
            shown.append(last.text)
            write(last.text)
    except KeyboardInterrupt:
        last = None
        close = getattr(deltas, "close", None)
        if close is not None:
            close()
    end = time.perf_counter()
    took = (first or end) - start, end - start
    if last is None:
        return Spoken("".join(shown), None, None, *took)
    return Spoken("".join(shown), last.finish_reason, last.usage, *took, last.unfamiliar)


def unfamiliar_line(unfamiliar: Collection[int], num_pictures: int, answer: str) -> str:
    """What people are told of pictures unlike those a model has learnt from, in Chinese below a Chinese answer."""
    chinese = re.search(r"[\u4e00-\u9fff]", answer) is not None
    numbers = [str(index + 1) for index in sorted(unfamiliar)]
    if chinese:
        which = "这张图片" if num_pictures == 1 else f"第 {'、'.join(numbers)} 张图片"
        return f"（{which}不像这个小助手学习过的手绘图片：它的回答只能当作猜测）"
    looks = "this picture looks" if num_pictures == 1 else f"picture {numbers[0]} looks"
    if len(numbers) > 1:
        looks = f"pictures {', '.join(numbers[:-1])} and {numbers[-1]} look"
    return f"({looks} unlike the drawn pictures this small assistant has learnt from: take its answer as a guess)"
