"""Many requests through `dispatch`: what is tried again, what stops, what is told. The provider is a fake."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from chiasm.chat import Answer, AnswerError, Sampling, Usage
from chiasm.conversation import Conversation
from chiasm.dispatch import (
    Account,
    BudgetReached,
    GaveUp,
    Journal,
    JournalError,
    Outcome,
    Overloaded,
    Patience,
    Prices,
    Request,
    Unanswerable,
    dispatch,
)
from chiasm.dispatch.account import worst_case
from chiasm.errors import UserError
from tests.dispatch.fakes import JumpingClock, answer, conversation, request

Ask = Callable[[Conversation, Sampling], Answer]
PATIENCE = Patience(seed=0)


class Provider:
    """Plays `script` for each question, then answers; remembers what was asked."""

    def __init__(self, *script: Exception) -> None:
        self.script = script
        self.asked: list[str] = []

    def __call__(self, conversation: Conversation, _: Sampling) -> Answer:
        text = conversation.messages[-1].text
        turn = self.asked.count(text)
        self.asked.append(text)
        if turn < len(self.script):
            raise self.script[turn]
        return answer(f"answer to {text}")


def run(ask: Ask, requests: list[Request], journal: Journal | None = None, **options: object) -> list[Outcome]:
    patience = replace(PATIENCE, clock=options.pop("clock", JumpingClock()))  # type: ignore[arg-type]
    arguments = {"account": Account(), "patience": patience, **options}
    return list(dispatch(requests, ask, journal=journal, **arguments))  # type: ignore[arg-type]


def test_every_request_ends_once() -> None:
    outcomes = run(Provider(), [request(i) for i in range(100)])
    assert sorted(o.key for o in outcomes) == sorted(f"key-{i}" for i in range(100))
    assert all(o.answer == answer(f"answer to question {o.key[4:]}") for o in outcomes)
    assert {(o.reason, o.message, o.num_attempts) for o in outcomes} == {("answered", "", 1)}


def test_a_key_that_comes_twice_is_asked_once(tmp_path: Path) -> None:
    provider = Provider()
    with Journal(tmp_path) as journal:
        outcomes = run(provider, [request(1), request(2), request(1)], journal)
    assert (len(outcomes), len(provider.asked)) == (2, 2)


def test_requests_are_read_no_further_than_there_is_room() -> None:
    read: list[int] = []

    def requests() -> Iterator[Request]:
        for i in range(1000):
            read.append(i)
            yield request(i)

    options = {"account": Account(), "journal": None, "max_concurrent": 4}
    with closing(dispatch(requests(), Provider(), **options)) as outcomes:  # type: ignore[arg-type]
        next(outcomes)
        assert len(read) <= 1 + 2 * 4


def test_no_more_at_once_than_allowed() -> None:
    under_way, most = Counter[str](), [0]
    lock = threading.Lock()

    def ask(_: Conversation, __: Sampling) -> Answer:
        with lock:
            under_way["now"] += 1
            most[0] = max(most[0], under_way["now"])
        time.sleep(0.001)
        with lock:
            under_way["now"] -= 1
        return answer()

    run(ask, [request(i) for i in range(60)], max_concurrent=5)
    assert most[0] == 5


# ---- trying again ------------------------------------------------------------------------------------------------


def test_waits_double_with_jitter_until_the_attempts_run_out() -> None:
    clock, provider = JumpingClock(), Provider(*[AnswerError("the provider answered 500: oh")] * 9)
    (outcome,) = run(provider, [request(1)], clock=clock, max_attempts=5)
    assert outcome == Outcome("key-1", None, "no answer", "the provider answered 500: oh", 5)
    for wait, longest in zip(clock.waits, [1, 2, 4, 8], strict=True):
        assert longest / 2 <= wait <= longest
    assert run(provider, [request(2)], clock=(again := JumpingClock()), max_attempts=5)
    assert again.waits == clock.waits  # the seed decides the jitter


@pytest.mark.parametrize(("asked", "waited"), [(0.0, 0.0), (2.0, 2.0), (2.5, 2.5), (300.0, 300.0)])
def test_a_wait_the_provider_asks_for_is_taken(asked: float, waited: float) -> None:
    clock = JumpingClock()
    (outcome,) = run(Provider(Overloaded("slow down", retry_after=asked)), [request(1)], clock=clock)
    assert (outcome.num_attempts, sum(clock.waits)) == (2, waited)


@pytest.mark.parametrize("asked", [301.0, 1e9, -5.0, float("nan")])
def test_an_absurd_wait_is_not_taken(asked: float) -> None:
    clock = JumpingClock()
    (outcome,) = run(Provider(Overloaded("slow down", retry_after=asked)), [request(1)], clock=clock)
    assert outcome.num_attempts == 2
    assert 0.5 <= sum(clock.waits) <= 1


def test_asked_to_wait_the_whole_job_waits() -> None:
    clock, times = JumpingClock(), []

    def ask(c: Conversation, _: Sampling) -> Answer:
        times.append(clock.time)
        if len(times) == 1:
            raise Overloaded("slow down", retry_after=20)
        return answer()

    run(ask, [request(i) for i in range(4)], clock=clock, max_concurrent=1)
    assert times == [0, 20, 20, 20, 20]


def test_tries_that_wait_do_not_hold_up_the_rest() -> None:
    provider = Provider()

    def ask(c: Conversation, s: Sampling) -> Answer:
        if c.messages[-1].text == "question 0" and provider.asked.count("question 0") < 2:
            provider.asked.append("question 0")
            raise AnswerError("500")
        return provider(c, s)

    outcomes = run(ask, [request(i) for i in range(5)], max_concurrent=1)
    assert outcomes[-1].key == "key-0"
    assert outcomes[-1].num_attempts == 3


# ---- stopping ----------------------------------------------------------------------------------------------------


def test_a_permanent_failure_stops_the_job_and_keeps_what_was_under_way(tmp_path: Path) -> None:
    asked: list[str] = []
    together = threading.Barrier(4)

    def ask(c: Conversation, _: Sampling) -> Answer:
        asked.append(c.messages[-1].text)
        together.wait(10)
        if c.messages[-1].text == "question 2":
            raise AnswerError("the provider answered 402: no credit", permanent=True)
        time.sleep(0.03)
        return answer()

    with Journal(tmp_path) as journal:
        outcomes: list[Outcome] = []
        asking = dispatch((request(i) for i in range(1000)), ask, account=Account(), journal=journal, max_concurrent=4)
        with pytest.raises(AnswerError, match="402: no credit") as raised:
            outcomes.extend(asking)
        assert raised.value.permanent
        assert len(asked) == 4
        assert {o.key for o in outcomes} == {"key-0", "key-1", "key-3"}
        assert journal.num_answered == 3


def test_an_unanswerable_request_is_told_kept_and_not_asked_again(tmp_path: Path) -> None:
    def ask(c: Conversation, s: Sampling) -> Answer:
        if c.messages[-1].text == "question 1":
            raise Unanswerable("filtered", reason="content_filter")
        return answer()

    requests = [request(i) for i in range(3)]
    with Journal(tmp_path) as journal:
        outcomes = run(ask, requests, journal)
    assert {o.key: (o.reason, o.num_attempts) for o in outcomes}["key-1"] == ("content_filter", 1)
    provider = Provider()
    with Journal(tmp_path) as journal:
        again = run(provider, requests, journal)
    assert not provider.asked
    assert {o.key: (o.reason, o.message, o.num_attempts) for o in again} == {
        "key-0": ("answered", "", 0),
        "key-1": ("content_filter", "filtered", 0),
        "key-2": ("answered", "", 0),
    }


def test_what_cannot_be_sent_ends_alone_and_unbilled() -> None:
    account = Account()
    outcomes = run(Provider(UserError("cannot read the picture a.png")), [request(1)], account=account)
    assert [(o.reason, o.message) for o in outcomes] == [("not sent", "cannot read the picture a.png")]
    assert (account.bill().tally.num_failed, account.bill().tally.num_lost) == (1, 0)


def test_when_nothing_is_answered_any_more_the_job_gives_up() -> None:
    provider = Provider(*[AnswerError("connection refused")] * 100)
    with pytest.raises(GaveUp, match=r"10 requests in a row.*connection refused.*to go on"):
        run(provider, [request(i) for i in range(1000)], max_attempts=2, max_concurrent=4)
    assert len(provider.asked) <= 2 * (10 + 4 + 4 + 16)


def test_one_reply_starts_the_count_of_failures_anew() -> None:
    def ask(c: Conversation, _: Sampling) -> Answer:
        if int(c.messages[-1].text.split()[1]) % 10:
            raise Unanswerable("too long")
        return answer()

    assert len(run(ask, [request(i) for i in range(100)], max_concurrent=1)) == 100


def test_a_fault_of_ours_stops_the_job_and_may_have_been_billed() -> None:
    account = Account()
    with pytest.raises(ZeroDivisionError):
        run(Provider(ZeroDivisionError("oh")), [request(1), request(2)], account=account, max_concurrent=1)
    assert account.bill().tally.num_lost == 1


def test_requests_that_fail_to_come_stop_the_job() -> None:
    def requests() -> Iterator[Request]:
        yield request(1)
        raise UserError("line 2 is no context")

    with pytest.raises(UserError, match="line 2"):
        list(dispatch(requests(), Provider(), account=Account(), journal=None))


def test_a_full_disk_stops_before_money_is_spent(tmp_path: Path) -> None:
    provider, account = Provider(), Account()
    free = iter([10**9] * 5 + [0] * 1000)
    with Journal(tmp_path, free_bytes=lambda _: next(free)) as journal, pytest.raises(JournalError):
        run(provider, [request(i) for i in range(100)], journal, account=account, max_concurrent=3)
    assert len(provider.asked) == 5
    assert account.bill().tally.num_sent == 5


# ---- interrupted -------------------------------------------------------------------------------------------------


def test_ctrl_c_keeps_the_replies_under_way(tmp_path: Path) -> None:
    together = threading.Barrier(3)
    waited_for: list[int] = []

    def ask(_: Conversation, __: Sampling) -> Answer:
        if together.wait(10) == 0:
            os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.03)
        return answer()

    with Journal(tmp_path) as journal:
        outcomes = dispatch(
            (request(i) for i in range(99)),
            ask,
            account=Account(),
            journal=journal,
            max_concurrent=3,
            on_leaving=waited_for.append,
        )
        with pytest.raises(KeyboardInterrupt), closing(outcomes):
            list(outcomes)
        assert (journal.num_answered, journal.past.num_sent) == (3, 0)
    assert waited_for == [3]
    with Journal(tmp_path) as journal:
        assert (journal.past.num_sent, journal.past.num_lost) == (3, 0)


def test_leaving_the_loop_keeps_the_replies_under_way(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        outcomes = dispatch((request(i) for i in range(99)), Provider(), account=Account(), journal=journal)
        with closing(outcomes):
            next(outcomes)
    with Journal(tmp_path) as journal:
        assert journal.past.num_lost == 0
        assert journal.past.num_replied == journal.num_answered >= 1


# ---- money -------------------------------------------------------------------------------------------------------


def test_a_budget_ends_the_job_and_a_larger_one_goes_on(tmp_path: Path) -> None:
    prices = Prices(1_000_000, 1_000_000)  # a token costs 1
    worst = worst_case(conversation("question 0"), Sampling(max_tokens=10))
    most = worst.num_prompt + worst.num_answer  # at most, and 8 when answered
    provider, requests = Provider(), [request(i) for i in range(9)]
    with Journal(tmp_path) as journal, pytest.raises(BudgetReached, match=r"--budget.*is kept"):
        run(provider, requests, journal, account=Account(most + 24, prices), max_concurrent=4)
    assert len(provider.asked) == 4  # 8, 16, 24, 32 spent; the fifth might pass the budget
    provider = Provider()
    with Journal(tmp_path) as journal:
        with pytest.raises(BudgetReached):
            run(provider, requests, journal, account=Account(most + 24, prices))
        assert not provider.asked
        account = Account(most + 64, prices)
        assert len(run(provider, requests, journal, account=account)) == 9
    assert len(provider.asked) == 5
    assert account.bill().spent == 9 * 8


def test_the_number_of_requests_counts_every_try_of_every_run(tmp_path: Path) -> None:
    requests = [request(i) for i in range(9)]
    with Journal(tmp_path) as journal, pytest.raises(BudgetReached, match="all 6 requests allowed"):
        run(Provider(AnswerError("500")), requests, journal, account=Account(max_requests=6), max_concurrent=1)
    provider = Provider()
    with Journal(tmp_path) as journal:
        assert journal.past.num_sent == 6
        with pytest.raises(BudgetReached):
            run(provider, requests, journal, account=Account(max_requests=8), max_concurrent=1)
    assert len(provider.asked) == 2


class Meter:
    """A provider with its own ledger: what it would bill, whatever the asker believes."""

    def __init__(self, seed: int) -> None:
        self.rng, self.lock, self.cost = random.Random(seed), threading.Lock(), 0

    def __call__(self, c: Conversation, sampling: Sampling) -> Answer:
        worst = worst_case(c, sampling)
        with self.lock:
            used = Usage(self.rng.randint(1, worst.num_prompt), 0, self.rng.randint(0, worst.num_answer))
            fate, latency = self.rng.random(), self.rng.random() / 2000
        time.sleep(latency)
        if fate < 0.1:
            raise Overloaded("429")
        with self.lock:
            self.cost += used.num_prompt + used.num_answer
        if fate < 0.2:
            raise AnswerError("connection reset", billed=True)
        return Answer("yes", "stop", Usage(0, 0, 0) if fate < 0.25 else used)


@pytest.mark.parametrize("seed", range(50))
def test_the_budget_is_never_passed_by_32_at_once(seed: int) -> None:
    budget = random.Random(seed).randint(2_000, 20_000)
    meter, account = Meter(seed), Account(budget, Prices(1_000_000, 1_000_000))
    requests = (request(i, Sampling(max_tokens=1 + i % 90)) for i in range(100_000))
    highest = [0.0]

    def watched() -> Iterator[Request]:
        for one in requests:
            highest.append(max(meter.cost, account.bill().total or 0))
            yield one

    patience = replace(PATIENCE, clock=JumpingClock())
    asking = dispatch(watched(), meter, account=account, journal=None, max_concurrent=32, patience=patience)
    with pytest.raises(BudgetReached):
        list(asking)
    assert max(highest) <= budget
    bill = account.bill()
    assert bill.total is not None
    assert meter.cost <= bill.total <= budget
    # Nor is it left unused: another request of the largest size would not have fitted.
    assert bill.total > budget - (9 + 5 + 272 + 91)
    tally = bill.tally
    assert tally.num_sent == tally.num_replied + tally.num_failed + tally.num_lost
    assert bill.num_under_way == 0
