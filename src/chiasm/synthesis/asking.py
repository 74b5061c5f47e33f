"""Two ways of asking a teacher: many requests at once within a budget, or window by window where that is no use.

Both know every key the journal knows, and write down what they learn. They do not know what is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Protocol

from chiasm.chat import Answer, ChatModel, Usage
from chiasm.dispatch import Account, BudgetReached, Journal, Outcome, Patience, Request, Waiting, dispatch
from chiasm.dispatch.account import counted, worst_case
from chiasm.dispatch.asking import Ask


class Asking(Protocol):
    """How requests are answered. Raises what stops a job, after telling of all that is known until then."""

    def __call__(self, requests: Iterable[Request], journal: Journal, account: Account) -> Iterator[Outcome]:
        """How each request ended, in any order."""
        ...


@dataclass(slots=True)
class _Late:
    """Answers asked for in all windows so far, those that are still to come, and what to do about them."""

    num_asked: int = 0
    num_missing: int = 0
    advice: str = ""


def at_once(ask: Ask, workers: int, patience: Patience | None = None) -> Asking:
    """Up to `workers` requests at a time by `ask`, which asks once: for metered teachers over HTTP."""

    def asking(requests: Iterable[Request], journal: Journal, account: Account) -> Iterator[Outcome]:
        return dispatch(requests, ask, account=account, journal=journal, max_concurrent=workers, patience=patience)

    return asking


def in_windows(model: ChatModel, size: int) -> Asking:
    """`size` requests after another by `model.answer_all`: for teachers on this machine, and for files of requests.

    When the answers of a window are still `Waiting`, the others are asked all the same; `Waiting` is raised at the end.
    """

    def asking(requests: Iterable[Request], journal: Journal, account: Account) -> Iterator[Outcome]:
        account.carry_over(str(journal.path.resolve()), journal.past)
        late = _Late()
        rest = iter(requests)
        while window := list(islice(rest, size)):
            yield from _window(window, model, journal, account, late)
        if late.advice:
            raise Waiting(
                f"{late.num_missing} of {late.num_asked} answers are not there yet. {late.advice}",
                num_missing=late.num_missing,
                num_asked=late.num_asked,
            )

    return asking


def _window(
    window: list[Request], model: ChatModel, journal: Journal, account: Account, late: _Late
) -> Iterator[Outcome]:
    fresh: list[tuple[Request, Usage]] = []
    full: BudgetReached | None = None
    for request in window:
        if (answer := journal.answer(request.key)) is not None:
            yield Outcome(request.key, answer, "answered", "", 0)
        elif full is None:
            worst = worst_case(request.conversation, request.sampling)
            shortage = account.reserve(worst)
            if shortage is None:
                fresh.append((request, worst))
            else:
                full = BudgetReached(account.shortage_message(shortage, worst))
    fresh.sort(key=lambda pair: pair[0].sampling.max_tokens)
    for _, pairs in groupby(fresh, key=lambda pair: pair[0].sampling):
        yield from _asked(list(pairs), model, journal, account, late)
    if full is not None:
        raise full


def _asked(
    pairs: list[tuple[Request, Usage]], model: ChatModel, journal: Journal, account: Account, late: _Late
) -> Iterator[Outcome]:
    """Ask for requests of one sampling; those without an answer stay reserved only where it may still come."""
    unsettled = dict(enumerate(pairs))
    late.num_asked += len(pairs)
    give_back: Callable[[Usage], None] | None = account.take_back
    try:
        for answer in model.answer_all([request.conversation for request, _ in pairs], pairs[0][0].sampling):
            request, worst = unsettled.pop(answer.index)
            if answer.finish_reason == "unknown" and not answer.text:
                account.take_back(worst)
                yield Outcome(request.key, None, "no answer", "the provider answered with an error", 1)
                continue
            _keep(request, worst, answer, journal, account)
            yield Outcome(request.key, answer, "answered", "", 1)
    except Waiting as waiting:
        late.num_missing += waiting.num_missing
        late.advice = str(waiting).partition(". ")[2]
        give_back = None
    finally:
        for _, worst in unsettled.values():
            if give_back is not None:
                give_back(worst)


def _keep(request: Request, worst: Usage, answer: Answer, journal: Journal, account: Account) -> None:
    number = journal.sent(request, worst)
    used, odd = counted(answer.usage, worst)
    account.replied(worst, answer.usage)
    journal.replied(number, request.key, answer, used, odd=odd)
