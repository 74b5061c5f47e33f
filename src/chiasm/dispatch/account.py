"""What asking costs: worst cases reserved before a request is sent, replaced by what the provider counted.

Tokens are counted in whole numbers and money in whole 10^-12 of the currency, so bills add up to the last digit in any
order. It knows no model and no price: prices are the user's, a million tokens, in whatever currency the budget is. No
table is built in, because it would be wrong within months without anybody noticing.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, field, replace
from typing import Literal

from chiasm.chat import Sampling, Usage
from chiasm.conversation import Conversation
from chiasm.errors import UserError

NOTHING = Usage(0, 0, 0)

# Bounds of ours. A token is at least one byte of text in every byte-level or byte-fallback vocabulary; servers add role
# names, separators and a default system turn around it.
_AROUND_REQUEST = 256
_AROUND_MESSAGE = 16
# The dearest picture we know of: eight tiles of gpt-4o-mini, 2833 + 8 * 5667 (OpenAI's vision guide, high detail).
_PICTURE = 50_000
# No context is as long as this: a reply that claims more tokens is not believed.
_MOST_TOKENS = 10_000_000

_MICRO = 10**6
_PICO = 10**12


@dataclass(frozen=True, slots=True)
class Prices:
    """Money a million tokens: of the prompt, of the answer, and of prompt tokens from the provider's cache.

    Without a price for cached tokens they cost what others do. Raises `UserError` for what is no price.
    """

    prompt: float
    answer: float
    cached: float | None = None

    def __post_init__(self) -> None:
        for option, price in (("in", self.prompt), ("out", self.answer), ("cached", self.cached)):
            if price is not None and not (0 <= price < math.inf):
                raise UserError(f"--price-{option} must be money a million tokens, 0 or more, not {price}")
        if self.cached is not None and self.cached > self.prompt:
            raise UserError(f"cached tokens cannot cost more ({self.cached}) than others of the prompt ({self.prompt})")

    def cost(self, usage: Usage) -> int:
        """What `usage` costs, in 10^-12 of the currency."""
        # Money a million tokens is 10^-6 a token; rounding each price once keeps every sum exact.
        fresh, answer = round(self.prompt * _MICRO), round(self.answer * _MICRO)
        cached = fresh if self.cached is None else round(self.cached * _MICRO)
        return (usage.num_prompt - usage.num_cached) * fresh + usage.num_cached * cached + usage.num_answer * answer


def worst_case(conversation: Conversation, sampling: Sampling) -> Usage:
    """The most tokens asking once can use: a token a byte of the prompt, and the longest answer allowed."""
    num_bytes = sum(len(message.text.encode("utf-8", "surrogatepass")) for message in conversation.messages)
    around = _AROUND_REQUEST + _AROUND_MESSAGE * len(conversation.messages)
    return Usage(num_bytes + around + _PICTURE * len(conversation.images), 0, sampling.max_tokens)


def counted(usage: Usage, worst: Usage) -> tuple[Usage, bool]:
    """The tokens to bill for a reply, and whether what it claimed is odd.

    A claim that cannot be (no prompt, negative, more cached than prompt, beyond any context) is billed as the worst
    case. One above the worst case is billed as claimed, because the provider will.
    """
    numbers = (usage.num_prompt, usage.num_cached, usage.num_answer)
    impossible = usage.num_prompt < 1 or min(numbers) < 0 or max(numbers) > _MOST_TOKENS
    if impossible or usage.num_cached > usage.num_prompt:
        return worst, True
    return usage, usage.num_prompt > worst.num_prompt or usage.num_answer > worst.num_answer


def added(first: Usage, second: Usage) -> Usage:
    """The sum, token by token."""
    return Usage(
        first.num_prompt + second.num_prompt,
        first.num_cached + second.num_cached,
        first.num_answer + second.num_answer,
    )


def _without(first: Usage, second: Usage) -> Usage:
    return Usage(
        first.num_prompt - second.num_prompt,
        first.num_cached - second.num_cached,
        first.num_answer - second.num_answer,
    )


@dataclass(frozen=True, slots=True)
class Tally:
    """Requests by how they ended, with their tokens.

    `num_sent` = `num_replied` + `num_failed` + `num_lost` + those under way. `used` are tokens of replies. Lost are
    requests that may have been billed without a reply (a time-out, a broken connection, a killed program): `lost` are
    their worst cases. `num_odd` replies claimed token counts that cannot be, or more than their worst case.
    """

    num_sent: int = 0
    num_replied: int = 0
    num_failed: int = 0
    num_lost: int = 0
    num_odd: int = 0
    used: Usage = NOTHING
    lost: Usage = NOTHING

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.num_sent + other.num_sent,
            self.num_replied + other.num_replied,
            self.num_failed + other.num_failed,
            self.num_lost + other.num_lost,
            self.num_odd + other.num_odd,
            added(self.used, other.used),
            added(self.lost, other.lost),
        )


@dataclass(frozen=True, slots=True)
class Bill:
    """What a job has cost so far, earlier runs included.

    `spent` is for replies; `perhaps` for requests that may have been billed without one, at their worst; both None
    without prices. `total` is what the budget is held against.
    """

    tally: Tally
    num_under_way: int
    spent: float | None
    perhaps: float | None
    budget: float | None

    @property
    def total(self) -> float | None:
        """`spent` and `perhaps` together."""
        return None if self.spent is None or self.perhaps is None else self.spent + self.perhaps

    def __str__(self) -> str:
        t = self.tally
        text = (
            f"{t.num_sent} requests: {t.num_replied} answered, {t.num_failed} failed, {t.num_lost} perhaps billed; "
            f"{t.used.num_prompt} tokens in ({t.used.num_cached} cached), {t.used.num_answer} out"
        )
        if self.spent is not None:
            text += f"; cost {self.spent:.4f}"
        if self.perhaps:
            text += f" and perhaps {self.perhaps:.4f} more"
        if self.budget is not None:
            text += f" of {self.budget:g}"
        return text


Shortage = Literal["budget", "requests"]


@dataclass(slots=True)
class Account:
    """Whether the next request still fits, and what all of them cost. Any thread may call it.

    `budget` is money, held against replies, reservations and what may have been billed; `max_requests` counts every
    attempt that was sent. Both hold over all runs of a job: `carry_over` brings in what a journal knows. Raises
    `UserError` for a budget without prices.
    """

    budget: float | None = None
    prices: Prices | None = None
    max_requests: int | None = None
    _tally: Tally = field(default_factory=Tally, init=False)
    _reserved: Usage = field(default=NOTHING, init=False)
    _num_reserved: int = field(default=0, init=False)
    _carried: set[str] = field(default_factory=set, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.budget is not None and not (0 < self.budget < math.inf):
            raise UserError(f"the budget must be an amount of money above 0, not {self.budget}")
        if self.max_requests is not None and self.max_requests < 1:
            raise UserError(f"the number of requests allowed must be at least 1, not {self.max_requests}")
        if self.budget is not None and self.prices is None:
            raise UserError(
                f"a budget of {self.budget:g} means nothing without prices: say with --price-in and --price-out what a "
                "million tokens of prompt and of answer cost (0 and 0 for a server of your own)"
            )

    def carry_over(self, source: str, tally: Tally) -> None:
        """Count what an earlier run spent; `source` names its journal, and a second call with it changes nothing."""
        with self._lock:
            if source not in self._carried:
                self._carried.add(source)
                self._tally += tally

    def reserve(self, worst: Usage) -> Shortage | None:
        """Set `worst` aside for one request; when it does not fit, say what is short and set nothing aside."""
        with self._lock:
            if self.max_requests is not None and self._tally.num_sent >= self.max_requests:
                return "requests"
            if self.budget is not None and self.prices is not None:
                committed = added(added(self._tally.used, self._tally.lost), added(self._reserved, worst))
                if self.prices.cost(committed) > round(self.budget * _PICO):
                    return "budget"
            self._tally = replace(self._tally, num_sent=self._tally.num_sent + 1)
            self._reserved = added(self._reserved, worst)
            self._num_reserved += 1
            return None

    def take_back(self, worst: Usage) -> None:
        """Undo `reserve` for a request that was not sent after all."""
        self._settle(worst, Tally(num_sent=-1))

    def replied(self, worst: Usage, usage: Usage) -> None:
        """Put what a reply used in the place of its reservation."""
        used, odd = counted(usage, worst)
        self._settle(worst, Tally(num_replied=1, num_odd=int(odd), used=used))

    def failed(self, worst: Usage, *, billed: bool) -> None:
        """End a reservation without a reply; it is kept as cost when the request may have been `billed`."""
        self._settle(worst, Tally(num_lost=1, lost=worst) if billed else Tally(num_failed=1))

    def bill(self) -> Bill:
        """What was spent so far, earlier runs included."""
        with self._lock:
            tally, num_under_way = self._tally, self._num_reserved
        spent = None if self.prices is None else self.prices.cost(tally.used) / _PICO
        perhaps = None if self.prices is None else self.prices.cost(tally.lost) / _PICO
        return Bill(tally, num_under_way, spent, perhaps, self.budget)

    def shortage_message(self, shortage: Shortage, worst: Usage) -> str:
        """Why a request of `worst` is not sent, and what to do."""
        if shortage == "requests" or self.prices is None:
            return (
                f"all {self.max_requests} requests allowed were sent (earlier runs included). "
                "Allow more with --max-requests; what was answered is kept"
            )
        need = self.prices.cost(worst) / _PICO
        return (
            f"the budget of {self.budget:g} is reached: {self.bill()}, and the next request may cost {need:.4f}. "
            "Raise --budget to go on; what was answered is kept"
        )

    def _settle(self, worst: Usage, change: Tally) -> None:
        with self._lock:
            assert self._num_reserved > 0, "more requests were settled than reserved"
            self._num_reserved -= 1
            self._reserved = _without(self._reserved, worst)
            self._tally += change
