"""An answer shown while it comes, and what it cost."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
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

    def fields(self) -> dict[str, object]:
        """What programs are told of a whole answer."""
        assert self.usage is not None
        return {
            "answer": self.text,
            "finish_reason": self.finish_reason,
            "usage": asdict(self.usage),
            "seconds_to_first_token": round(self.seconds_to_first, 4),
            "seconds": round(self.seconds, 4),
        }

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
    reason, usage = (None, None) if last is None else (last.finish_reason, last.usage)
    return Spoken("".join(shown), reason, usage, (first or end) - start, end - start)
