"""Asking many things at once: threads that each ask once, and one loop that says what is sent when.

It decides what is tried again, when to slow down and when to stop. It does not know how a request travels (`ask` does),
what it costs (`Account`) or how it is kept (`Journal`).
"""

from __future__ import annotations

import heapq
import itertools
import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass

from chiasm.chat import Answer, AnswerError, Sampling, Usage
from chiasm.conversation import Conversation
from chiasm.dispatch.account import Account, counted, worst_case
from chiasm.dispatch.failures import BudgetReached, GaveUp, JournalError, Overloaded, Unanswerable
from chiasm.dispatch.journal import Journal
from chiasm.dispatch.pace import Clock, Pace, Patience
from chiasm.dispatch.request import Outcome, Request
from chiasm.errors import UserError

__all__ = ["Ask", "Patience", "dispatch"]

Ask = Callable[[Conversation, Sampling], Answer]

_WAITING = 16  # tries that may wait for their time, beyond as many as may be under way; ours


def dispatch(
    requests: Iterable[Request],
    ask: Ask,
    *,
    account: Account,
    journal: Journal | None,
    max_concurrent: int = 8,
    max_attempts: int = 6,
    patience: Patience | None = None,
    on_leaving: Callable[[int], None] | None = None,
) -> Generator[Outcome]:
    """Ask each of `requests` once and tell how it ended, in the order they end.

    Keys the journal knows are answered from it and never asked again; a key that comes twice counts once. `requests`
    is read no further than there is room to ask. `ask` is called from up to `max_concurrent` threads; it fails with
    `AnswerError`, whose permanence, `retry_after` and `billed` are obeyed, or with another `UserError` when the request
    cannot be sent at all. After `max_attempts` a request has no answer.

    The iterator raises when the job must stop: `AnswerError` for a permanent failure, `GaveUp` when nothing is
    answered any more, `BudgetReached`, `JournalError`. It first waits for what is under way and tells of it. Closed
    or interrupted, it also waits, so that replies already paid for are in the journal: `on_leaving` is told for how
    many, and a second Ctrl-C leaves at once. Leave a loop early only with `contextlib.closing` around the iterator.
    """
    if max_attempts < 1:
        raise ValueError(f"a request needs at least 1 attempt, not {max_attempts}")
    patience = patience or Patience()
    pace = Pace(max_concurrent, patience)
    job = _Job(iter(requests), ask, account, journal, pace, patience.clock)
    job.on_leaving = on_leaving
    job.max_attempts, job.failures_allowed = max_attempts, patience.failures_in_a_row
    if journal is not None:
        account.carry_over(str(journal.path.resolve()), journal.past)
    return job.outcomes()


@dataclass(slots=True)
class _Attempt:
    """A request on its way: which try this is, and what it may cost."""

    request: Request
    worst: Usage
    num_attempts: int = 0
    sent_at: float = 0.0


class _Job:
    """One call of `dispatch`. All but `_work` runs in the caller's thread."""

    max_attempts: int
    failures_allowed: int
    on_leaving: Callable[[int], None] | None

    def __init__(
        self,
        requests: Iterator[Request],
        ask: Ask,
        account: Account,
        journal: Journal | None,
        pace: Pace,
        clock: Clock,
    ) -> None:
        self._requests = requests
        self.ask, self.account, self.journal, self.pace, self.clock = ask, account, journal, pace, clock
        self._told: deque[Outcome] = deque()
        self._seen: set[str] = set()
        self._held: _Attempt | None = None  # the next to go, for which there was no money yet
        self._later: list[tuple[float, int, _Attempt]] = []  # a heap of tries by when they are due
        self._order = itertools.count()
        self._exhausted = False
        self._stop: BaseException | None = None
        self._failures_in_a_row = 0
        self._num_under_way = 0
        self._news = threading.Condition()
        self._ended: deque[tuple[_Attempt, Answer | BaseException]] = deque()
        self._work_queue: queue.SimpleQueue[_Attempt | None] = queue.SimpleQueue()
        self._num_threads = 0

    def outcomes(self) -> Generator[Outcome]:
        """What `dispatch` returns."""
        try:
            while True:
                self._see_to_ended()
                self._send()
                if self._told:
                    yield self._told.popleft()
                elif self._num_under_way or self._ended or (self._stop is None and not self._finished()):
                    self._listen()
                else:
                    break
            if self._stop is not None:
                raise self._stop
        finally:
            self._leave()

    def _finished(self) -> bool:
        return self._exhausted and not self._later and self._held is None

    # ---- sending -------------------------------------------------------------------------------------------------

    def _send(self) -> None:
        """Hand out all that may go now."""
        while self._stop is None and self._num_under_way < self.pace.limit:
            # What has ended and waits for the caller takes room too, or a slow caller would pile it up.
            if self._num_under_way + len(self._ended) + len(self._told) >= 2 * self.pace.most:
                return
            if self.clock.now() < self.pace.paused_until:
                return
            attempt = self._next()
            if attempt is None:
                return
            shortage = self.account.reserve(attempt.worst)
            if shortage is not None:
                self._held = attempt
                if not self._num_under_way:  # nothing will come back and make room
                    self._stop = BudgetReached(self.account.shortage_message(shortage, attempt.worst))
                return
            self._hand_out(attempt)

    def _next(self) -> _Attempt | None:
        """The try to send next; None when there is none now."""
        if self._held is not None:
            attempt, self._held = self._held, None
            return attempt
        if self._later and self._later[0][0] <= self.clock.now():
            return heapq.heappop(self._later)[2]
        # Tries that wait for their time take room too, or a failing provider would be asked ever more new things.
        if self._told or len(self._later) >= self.pace.most + _WAITING:
            return None
        return self._fresh()

    def _fresh(self) -> _Attempt | None:
        """The next request nobody asked yet; one the journal knows is told of instead."""
        if self._exhausted:
            return None
        for request in self._requests:
            if request.key in self._seen:
                continue
            self._seen.add(request.key)
            known = self._known(request.key)
            if known is None:
                return _Attempt(request, worst_case(request.conversation, request.sampling))
            self._told.append(known)
            return None
        self._exhausted = True
        return None

    def _known(self, key: str) -> Outcome | None:
        if self.journal is None:
            return None
        answer = self.journal.answer(key)
        if answer is not None:
            return Outcome(key, answer, "answered", "", 0)
        refusal = self.journal.refusal(key)
        return None if refusal is None else Outcome(key, None, *refusal, 0)

    def _hand_out(self, attempt: _Attempt) -> None:
        attempt.num_attempts += 1
        attempt.sent_at = self.clock.now()
        if self._num_threads <= self._num_under_way:
            self._num_threads += 1
            # Daemons: whoever insists on leaving is not held back by a provider that never answers.
            threading.Thread(target=self._work, daemon=True).start()
        # In this order: a Ctrl-C between the two must not leave a request counted that no thread will end.
        self._work_queue.put(attempt)
        with self._news:
            self._num_under_way += 1

    def _work(self) -> None:
        """A thread: ask, write down, tell the loop; again."""
        while (attempt := self._work_queue.get()) is not None:
            try:
                end: Answer | BaseException = self._ask_once(attempt)
            except BaseException as error:  # raised again where the caller sees it
                end = error
            with self._news:
                self._num_under_way -= 1
                self._ended.append((attempt, end))
                self._news.notify()

    def _ask_once(self, attempt: _Attempt) -> Answer:
        request, worst, number = attempt.request, attempt.worst, 0
        if self.journal is not None:
            try:
                number = self.journal.sent(request, worst)
            except BaseException:
                self.account.take_back(worst)
                raise
        try:
            answer = self.ask(request.conversation, request.sampling)
        except BaseException as error:
            # Not an AnswerError: of a fault of ours nobody knows how far it came.
            billed = error.billed if isinstance(error, AnswerError) else not isinstance(error, UserError)
            self.account.failed(worst, billed=billed)
            if self.journal is not None:
                final = isinstance(error, Unanswerable)
                self.journal.failed(number, request.key, _reason(error), _one_line(error), billed=billed, final=final)
            raise
        self.account.replied(worst, answer.usage)
        if self.journal is not None:
            used, odd = counted(answer.usage, worst)
            self.journal.replied(number, request.key, answer, used, odd=odd)
        return answer

    # ---- listening -----------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        """Wait until something ended or something is due."""
        seconds = self._seconds_to_wait()
        with self._news:
            if not self._ended and (seconds is None or seconds > 0):
                self.clock.wait(self._news, seconds)

    def _see_to_ended(self) -> None:
        with self._news:
            ended = list(self._ended)
            self._ended.clear()
        for attempt, end in ended:
            self._end(attempt, end)

    def _seconds_to_wait(self) -> float | None:
        """Until the next try may go; None when only a reply can change anything."""
        if self._stop is not None or self._num_under_way >= self.pace.limit or self._held is not None:
            # With money short, a reply must come first; without requests under way the job has stopped already.
            return None if self._num_under_way else self.pace.paused_until - self.clock.now()
        due = self._later[0][0] if self._later else None
        if not self._exhausted and len(self._later) < self.pace.most + _WAITING:
            due = self.pace.paused_until
        return None if due is None else max(due, self.pace.paused_until) - self.clock.now()

    def _end(self, attempt: _Attempt, end: Answer | BaseException) -> None:
        if isinstance(end, Answer):
            self.pace.replied()
            self._failures_in_a_row = 0
            self._told.append(Outcome(attempt.request.key, end, "answered", "", attempt.num_attempts))
            return
        if isinstance(end, JournalError) or not isinstance(end, UserError):
            self._stop = self._stop or end
            return
        if isinstance(end, Unanswerable) or not isinstance(end, AnswerError):
            self._tell_failed(attempt, end)
            return
        if end.permanent:
            self._stop = self._stop or end
            return
        now = self.clock.now()
        if isinstance(end, Overloaded) or end.retry_after is not None:
            self.pace.overloaded(now, attempt.sent_at, end.retry_after)
        if attempt.num_attempts < self.max_attempts:
            due = now + self.pace.wait_before(attempt.num_attempts, end.retry_after)
            heapq.heappush(self._later, (due, next(self._order), attempt))
        else:
            self._tell_failed(attempt, end)

    def _tell_failed(self, attempt: _Attempt, error: UserError) -> None:
        message = _one_line(error)
        self._told.append(Outcome(attempt.request.key, None, _reason(error), message, attempt.num_attempts))
        self._failures_in_a_row += 1
        if self._failures_in_a_row >= self.failures_allowed and self._stop is None:
            self._stop = GaveUp(
                f"{self._failures_in_a_row} requests in a row were not answered, the last one: {message.rstrip('.')}. "
                "Nothing more is asked now; run the same command again to go on"
            )

    def _leave(self) -> None:
        """Wait for what is under way (its threads write it down), then let the threads go."""
        self._stop = self._stop or GeneratorExit()
        try:
            if self._num_under_way > 0 and self.on_leaving is not None:
                self.on_leaving(self._num_under_way)
            with self._news:
                while self._num_under_way > 0:
                    self._news.wait()
        finally:
            for _ in range(self._num_threads):
                self._work_queue.put(None)


def _reason(error: BaseException) -> str:
    if isinstance(error, Unanswerable):
        return error.reason
    return "no answer" if isinstance(error, AnswerError) else "not sent"


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, UserError) else f"{type(error).__name__}: {text}"
