"""How many requests may be under way at once, and how long to wait before the next try.

Concurrency follows the provider: half of it when asked to slow down, one more for every round that went well (additive
increase, multiplicative decrease, as TCP does). Waiting doubles from try to try, with jitter, unless the provider says
how long. It sends nothing and never sleeps: it is told the time.
"""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass, field
from typing import Protocol


class Clock(Protocol):
    """Where the time comes from; a test's own jumps instead of waiting."""

    def now(self) -> float:
        """Seconds since whenever."""
        ...

    def wait(self, news: threading.Condition, seconds: float | None) -> None:
        """Return when `news` (held by the caller) is notified, or after `seconds`."""
        ...


class WallClock:
    """The machine's clock."""

    def now(self) -> float:
        """Seconds since the machine started, more or less."""
        return time.monotonic()

    def wait(self, news: threading.Condition, seconds: float | None) -> None:
        """Wait for real."""
        news.wait(seconds)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a job bears with a provider. Times are seconds; all defaults are ours.

    A wait the provider asks for is taken up to `longest_retry_after`; a longer one is not believed and our own takes
    its place: `first_wait`, doubled from try to try up to `longest_wait`, of which a half to the whole is drawn by
    `seed`.
    After `failures_in_a_row` requests that ended without any reply between them, the job gives up. `clock` is where the
    time comes from.
    """

    first_wait: float = 1.0
    longest_wait: float = 60.0
    longest_retry_after: float = 300.0
    failures_in_a_row: int = 10
    seed: int | None = None
    clock: Clock = field(default_factory=WallClock)


class Pace:
    """The state of one job: up to `limit` requests under way now, never above `most`, none before `paused_until`."""

    def __init__(self, most: int, patience: Patience) -> None:
        if most < 1:
            raise ValueError(f"at least 1 request must be allowed at once, not {most}")
        self.most, self.limit, self.paused_until = most, most, float("-inf")
        self._patience = patience
        self._random = random.Random(patience.seed)
        self._slowed_at = float("-inf")
        self._num_replied = 0

    def replied(self) -> None:
        """A request was answered: after a round of them, one more may be under way."""
        self._num_replied += 1
        if self._num_replied >= self.limit:
            self._num_replied = 0
            self.limit = min(self.limit + 1, self.most)

    def overloaded(self, now: float, sent_at: float, retry_after: float | None) -> None:
        """The provider asked for less: half as many, none for as long as it asked.

        Requests that were sent before the last slowing down say nothing new.
        """
        if sent_at >= self._slowed_at:
            self.limit, self._slowed_at, self._num_replied = max(1, self.limit // 2), now, 0
        if self._believed(retry_after):
            self.paused_until = max(self.paused_until, now + (retry_after or 0.0))

    def wait_before(self, num_attempts: int, retry_after: float | None) -> float:
        """Seconds until the next try after `num_attempts` that failed."""
        if retry_after is not None and self._believed(retry_after):
            return retry_after
        patience = self._patience
        longest = min(patience.longest_wait, patience.first_wait * 2.0 ** min(num_attempts - 1, 60))
        return longest * self._random.uniform(0.5, 1.0)

    def _believed(self, retry_after: float | None) -> bool:
        return retry_after is not None and 0 <= retry_after <= self._patience.longest_retry_after
