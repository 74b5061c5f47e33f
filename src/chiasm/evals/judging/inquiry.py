"""Asking a judge and keeping every reply: again within bounds where one cannot be read, never twice what was answered.

The file grows by lines of JSON. One that says who judges from here on:

    {"judge": "openai:NAME", "max_tokens": 1024, "temperatures": [0.0, 0.5, 0.5]}

and one for each reply, whatever it says:

    {"question_id": 7, "key": "7", "order": "reference_first", "judge": "openai:NAME", "attempt": 1,
     "prompt_digest": ..., "answer_digest": ..., "answer": ..., "reply": ..., "finish_reason": "stop",
     "usage": {"num_prompt": ..., "num_cached": ..., "num_answer": ...}, "cost": ..., "read": [8.0, 7.0], "why": ""}

`read` is what the reply was read as, null where it could not be; then `why` is "refused" or "unreadable". `cost` is
money where prices are known. It knows neither tasks nor what the replies are for.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from chiasm.chat import Answer, ChatModel, Sampling
from chiasm.conversation import Conversation
from chiasm.dispatch import Prices
from chiasm.errors import UserError
from chiasm.evals.journal import Journal, read_journal

# Ours. The first try is greedy, so that a judge repeats itself; a second greedy one would fail again. LLaVA asks at 0.2
# for ever, MM-Vet's evaluator five times and half a degree hotter each.
TEMPERATURES = (0.0, 0.5, 0.5)
_PICO = 10**12  # `Prices` counts in these parts


@dataclass(frozen=True, slots=True)
class Inquiry:
    """One thing a judge is asked: about `answer` to the question `key`, in one of several orders."""

    id: int | str
    key: str
    order: str
    answer: str
    conversation: Conversation

    @property
    def identity(self) -> tuple[str, str, str]:
        """What must be the same for a reply to be to this; the prompt holds the answer."""
        return self.key, self.order, prompt_digest(self.conversation)


Read = Callable[[str, Inquiry], object]  # a reply as JSON, None where it says nothing


def prompt_digest(conversation: Conversation) -> str:
    """A digest of all that is said."""
    digest = hashlib.sha256()
    for message in conversation.messages:
        for part in (message.role, message.text):
            data = part.encode("utf-8", errors="surrogatepass")
            digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()[:32]


def answer_digest(answer: str) -> str:
    """A digest of the answer that is judged."""
    return hashlib.sha256(answer.encode("utf-8", errors="surrogatepass")).hexdigest()[:32]


def inquire(
    inquiries: Sequence[Inquiry],
    read: Read,
    judge: ChatModel,
    judge_name: str,
    path: Path,
    *,
    max_tokens: int,
    prices: Prices | None = None,
    watch: Watch | None = None,
) -> None:
    """Ask `judge` what `path` does not answer yet, until each reply can be read or all tries are used up.

    Raises `UserError` when the judge gave no reply at all to some; what came is kept, and the next call asks the rest.
    """
    watch = watch or Watch()
    with Journal(path) as journal:
        if journal.note:
            watch.note(journal.note)
        kept = _Kept.of(path, judge_name)
        if kept.last_judge != judge_name:
            journal.append({"judge": judge_name, "max_tokens": max_tokens, "temperatures": list(TEMPERATURES)})
        watch.advance(sum(kept.settled(each) for each in inquiries))
        num_silent = 0
        for attempt, temperature in enumerate(TEMPERATURES):
            asked = [each for each in inquiries if not kept.settled(each) and kept.num_tries(each) == attempt]
            sampling = Sampling(max_tokens=max_tokens, temperature=temperature)
            with _closing(judge.answer_all([each.conversation for each in asked], sampling)) as answers:
                for given in answers:
                    inquiry = asked[given.index]
                    if not given.text and given.finish_reason == "unknown":
                        num_silent += 1
                        continue
                    record = _record(inquiry, given, read, judge_name, attempt + 1, prices)
                    journal.append(record)
                    kept.add(record)
                    watch.advance(kept.settled(inquiry))
    if num_silent:
        raise UserError(
            f"{judge_name} gave no reply to {num_silent:,} of {len(inquiries):,} requests; the others are kept in "
            f"{path}. Run the same command again"
        )


@dataclass(frozen=True, slots=True)
class Watch:
    """Who wants to know: `advance` of how many requests are settled, `note` of what a person should read."""

    advance: Callable[[int], None] = lambda _: None
    note: Callable[[str], None] = lambda _: None


def replies(path: Path) -> Iterator[dict[str, Any]]:
    """The replies of the judge that was asked last, in the order they came; nothing where nobody was asked."""
    kept = [record for record in read_journal(path) if isinstance(record.get("judge"), str)]
    last = next((record["judge"] for record in reversed(kept) if "order" not in record), None)
    for record in kept:
        if record["judge"] == last and "order" in record:
            _check(record, path)
            yield record


@dataclass(slots=True)
class _Kept:
    """What a file holds of one judge: tries by identity, and which of them could be read."""

    tries: dict[tuple[str, str, str], int]
    known: set[tuple[str, str, str]]
    last_judge: str | None = None

    @classmethod
    def of(cls, path: Path, judge_name: str) -> _Kept:
        kept = cls({}, set())
        for record in read_journal(path):
            if "order" not in record:
                kept.last_judge = record.get("judge")
            elif record.get("judge") == judge_name:
                _check(record, path)
                kept.add(record)
        return kept

    def add(self, record: Mapping[str, Any]) -> None:
        identity = (record["key"], record["order"], record["prompt_digest"])
        self.tries[identity] = self.tries.get(identity, 0) + 1
        if record["read"] is not None:
            self.known.add(identity)

    def num_tries(self, inquiry: Inquiry) -> int:
        return self.tries.get(inquiry.identity, 0)

    def settled(self, inquiry: Inquiry) -> bool:
        return inquiry.identity in self.known or self.num_tries(inquiry) >= len(TEMPERATURES)


def _record(
    inquiry: Inquiry, given: Answer, read: Read, judge_name: str, attempt: int, prices: Prices | None
) -> dict[str, object]:
    refused = given.finish_reason in ("refusal", "content_filter")
    understood = None if refused else read(given.text, inquiry)
    return {
        "question_id": inquiry.id,
        "key": inquiry.key,
        "order": inquiry.order,
        "judge": judge_name,
        "attempt": attempt,
        "prompt_digest": prompt_digest(inquiry.conversation),
        "answer_digest": answer_digest(inquiry.answer),
        "answer": inquiry.answer,
        "reply": given.text,
        "finish_reason": given.finish_reason,
        "usage": asdict(given.usage),
        "cost": None if prices is None else prices.cost(given.usage) / _PICO,
        "read": understood,
        "why": "" if understood is not None else "refused" if refused else "unreadable",
    }


def _check(record: Mapping[str, Any], path: Path) -> None:
    texts = all(isinstance(record.get(name), str) for name in ("key", "order", "prompt_digest", "answer", "why"))
    if not texts or "read" not in record:
        raise UserError(
            f"{path} holds a reply without its question, order or answer: it is not as it was written. "
            "Name another file, or let the judge review anew"
        )


@contextlib.contextmanager
def _closing(answers: Iterator[Answer]) -> Iterator[Iterator[Answer]]:
    """Interrupted, whoever answers ends its work at once and in order."""
    try:
        yield answers
    finally:
        if isinstance(answers, Generator):
            answers.close()
