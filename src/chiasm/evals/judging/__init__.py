"""What a judge model says answers are worth, for tasks that no rule can score.

A task says how its judge is asked (`Judging`). `judge_answers` lets one review answers into a file;
`marks_from_reviews` sums such a file up, and also the reviews LLaVA's own scripts write. Whoever judges is a
`chiasm.chat.ChatModel`.

A review that cannot be read even after several tries is invalid: it is counted and left out of every mean. Where more
than `MOST_INVALID` of a task's answers have no valid review, there is no score.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from chiasm.chat import ChatModel
from chiasm.conversation import Conversation
from chiasm.dispatch import Prices
from chiasm.errors import UserError
from chiasm.evals.journal import read_journal
from chiasm.evals.judging.grammar import Scores
from chiasm.evals.judging.inquiry import TEMPERATURES, Inquiry, Watch, inquire, prompt_digest, replies
from chiasm.evals.judging.llava_reviews import are_llava_reviews, read_llava_reviews
from chiasm.evals.task import Mark, Question, Task

__all__ = ["ALONE", "Judging", "Scores", "Watch", "are_reviews", "judge_answers", "marks_from_reviews", "spent_on"]

ALONE = "alone"  # the order of tasks whose judge sees one answer
MOST_INVALID = 0.02  # ours: with more reviews missing, which ones are could move the score


@dataclass(frozen=True, slots=True)
class Judging:
    """How a judge is asked about the answers of one task.

    `ask(question, answer, order)` is what it is told, in each of `orders`; `read(reply)` are the scores on its first
    line, in the order written, None where there are none. `mark(question, answer, scores by order)` is what they come
    to: every order of a review is there, or, in LLaVA's reviews, the first alone. Marks of reviews that are not valid
    are made here. `gaps(questions)` says what the judge will not be told, empty when nothing is missing.
    `max_tokens` is the longest reply.
    """

    ask: Callable[[Question, str, str], Conversation]
    read: Callable[[str], Scores | None]
    mark: Callable[[Question, str, Mapping[str, Scores]], Mark]
    orders: tuple[str, ...] = (ALONE,)
    max_tokens: int = 1024  # as LLaVA's eval_gpt_review.py
    gaps: Callable[[Sequence[Question]], str] = lambda _: ""


def judge_answers(
    task: Task,
    questions: Sequence[Question],
    texts: Mapping[str, str],
    judge: ChatModel,
    reviews: Path,
    judge_name: str,
    *,
    prices: Prices | None = None,
    watch: Watch | None = None,
) -> None:
    """Let `judge` review the answers `texts` (by key) into the file `reviews`, once in every order.

    What stands there, of this judge about these answers, is not asked again. Raises `UserError` where the judge gave no
    reply at all to some.
    """
    judging, watch = _judging(task), watch or Watch()
    if gaps := judging.gaps(questions):
        watch.note(gaps)
    inquire(
        [_inquiry(judging, question, texts[question.key], order) for question in questions for order in judging.orders],
        lambda reply, _: judging.read(reply),
        judge,
        judge_name,
        reviews,
        max_tokens=judging.max_tokens,
        prices=prices,
        watch=watch,
    )


def are_reviews(path: Path) -> bool:
    """Whether a file holds reviews: ours, or those of LLaVA's scripts."""
    try:
        first = next(iter(read_journal(path)), None)
    except UserError:
        return False
    return first is not None and (("judge" in first and "temperatures" in first) or are_llava_reviews(first))


def spent_on(reviews: Path) -> str:
    """Who was asked last in a file of reviews, how often, and what all its replies used; empty for LLaVA's reviews."""
    num, num_prompt, num_answer = 0, 0, 0
    cost: float | None = 0.0
    who = ""
    for record in replies(reviews):
        who, used, price = record["judge"], record.get("usage", {}), record.get("cost")
        num, num_prompt = num + 1, num_prompt + used.get("num_prompt", 0)
        num_answer += used.get("num_answer", 0)
        cost = None if cost is None or price is None else cost + price
    if not num:
        return ""
    paid = "" if cost is None else f", cost {cost:.4g}"
    return f"{who} gave {num:,} replies: {num_prompt:,} prompt and {num_answer:,} answer tokens{paid}"


def marks_from_reviews(
    task: Task, questions: Sequence[Question], texts: Mapping[str, str] | None, reviews: Path
) -> list[Mark]:
    """A mark for each of `questions`, in order, from the reviews in a file: of the judge that was asked last.

    With `texts` only reviews of these very answers count, without them those that came last. Raises `UserError` with
    counts for questions without reviews, reviews of unknown questions or several of one (in LLaVA's form), and where
    too many are not valid.
    """
    judging = _judging(task)
    first = next(iter(read_journal(reviews)), {})
    if are_llava_reviews(first):
        marks = _of_llava(judging, questions, texts or {}, reviews)
    else:
        marks = _of_ours(judging, questions, texts, reviews)
    _check_validity(marks, reviews)
    return marks


def _judging(task: Task) -> Judging:
    if task.judging is None:
        raise ValueError("this task is scored by a rule, not by a judge")
    return task.judging


def _inquiry(judging: Judging, question: Question, text: str, order: str) -> Inquiry:
    return Inquiry(question.id, question.key, order, text, judging.ask(question, text, order))


@dataclass(slots=True)
class _Review:
    """What the tries at one review came to: the first scores, else why there are none."""

    scores: Scores | None = None
    why: str = ""
    num_tries: int = 0

    def add(self, scores: Scores | None, why: str) -> None:
        self.num_tries += 1
        if self.scores is None:
            self.scores, self.why = scores, why

    @property
    def settled(self) -> bool:
        return self.scores is not None or self.num_tries >= len(TEMPERATURES)


def _of_ours(
    judging: Judging, questions: Sequence[Question], texts: Mapping[str, str] | None, reviews: Path
) -> list[Mark]:
    """Marks of reviews this package wrote."""
    found: dict[tuple[str, str, str], _Review] = {}
    last: dict[str, str] = {}  # the answer that was reviewed last, by key
    for record in replies(reviews):
        last[record["key"]] = record["answer"]
        identity = (record["key"], record["order"], record["prompt_digest"])
        found.setdefault(identity, _Review()).add(_scores(record["read"], reviews), record["why"])
    marks, missing = [], []
    for question in questions:
        text = (last if texts is None else texts).get(question.key)
        of = {} if text is None else _by_order(judging, question, text, found)
        if text is None or len(of) < len(judging.orders):
            missing.append(question.key)
            continue
        valid = {order: review.scores for order, review in of.items() if review.scores is not None}
        if len(valid) == len(of):
            marks.append(judging.mark(question, text, valid))
        else:
            why = sorted({review.why for review in of.values() if review.scores is None})
            marks.append(_invalid(question, text, ", ".join(why)))
    if missing:
        raise UserError(
            f"{reviews}: {len(missing):,} of {len(questions):,} questions have no review of their answer "
            f"(first: {', '.join(missing[:3])}). Let the judge go on: run `chiasm eval` with --judge again"
        )
    return marks


def _by_order(
    judging: Judging,
    question: Question,
    text: str,
    found: Mapping[tuple[str, str, str], _Review],
) -> dict[str, _Review]:
    """The reviews of an answer that are there, by order; one that may still be tried again is not."""
    identities = {
        order: (question.key, order, prompt_digest(judging.ask(question, text, order))) for order in judging.orders
    }
    there = {order: found[identity] for order, identity in identities.items() if identity in found}
    return {order: review for order, review in there.items() if review.settled}


def _of_llava(judging: Judging, questions: Sequence[Question], texts: Mapping[str, str], reviews: Path) -> list[Mark]:
    """Marks of reviews that LLaVA's scripts wrote: the reference always stood first."""
    if len(judging.orders) < 2:
        raise UserError(f"{reviews} holds reviews of two answers, and this benchmark's are of one. Name another file")
    scores = read_llava_reviews(reviews, questions)
    return [
        judging.mark(question, texts.get(question.key, ""), {judging.orders[0]: pair})
        if (pair := scores[question.key]) is not None
        else _invalid(question, texts.get(question.key, ""), "unreadable")
        for question in questions
    ]


def _scores(read: object, reviews: Path) -> Scores | None:
    if read is None:
        return None
    if not isinstance(read, list) or not read or not all(isinstance(each, int | float) for each in read):
        raise UserError(f"{reviews} holds scores that are no numbers: {read!r}. Let the judge review anew")
    return tuple(map(float, read))


def _invalid(question: Question, text: str, why: str) -> Mark:
    return Mark(question, text, 0.0, f"no valid review ({why})", invalid=True, detail={"why": why})


def _check_validity(marks: Sequence[Mark], reviews: Path) -> None:
    num_invalid, num = sum(mark.invalid for mark in marks), len(marks)
    if num_invalid > MOST_INVALID * num:
        why: dict[str, int] = {}
        for mark in marks:
            if mark.invalid:
                name = str(mark.detail["why"])
                why[name] = why.get(name, 0) + 1
        counts = ", ".join(f"{name} {count:,}" for name, count in sorted(why.items()))
        raise UserError(
            f"{reviews}: {num - num_invalid:,} of {num:,} answers have a valid review, {num_invalid:,} have none "
            f"({counts}); above {MOST_INVALID:.0%} without one there is no score. Read the replies there, or name "
            "another --judge"
        )
