"""Answers to look at: a bounded, representative choice of right and wrong ones, with small pictures."""

from __future__ import annotations

import base64
import dataclasses
import io
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, zip_longest
from typing import Literal

from chiasm.errors import UserError
from chiasm.evals.report.entry import Stored
from chiasm.evals.score import Scored
from chiasm.evals.task import Mark

# All ours: 60 answers a task at some 10 KB a picture keep a report of a dozen tasks below 10 MB.
_CARDS = 60
_PICTURES = 4  # of one question
_SIDE = 256  # pixels
_QUALITY = 80
_LONGEST = 4000  # characters of a question or an answer
_LONG_WORD = 30  # characters; several answers of this length stand in a line each

_TRUTHS = ("answer", "answers", "truth", "label")  # of a reference that holds more than the truth

Verdict = Literal["right", "partly", "wrong", "invalid"]
Change = Literal["", "won", "lost"]


class Other(Stored):
    """The answer of the run compared with."""

    text: str
    read_as: str
    verdict: Verdict


class Card(Stored):
    """One question with its answer. `pictures` are indices of `Gallery.pictures`; -1 could not be opened."""

    key: str
    question: str
    text: str
    read_as: str
    expected: str
    verdict: Verdict
    value: float
    category: str
    pictures: list[int]
    num_pictures: int
    other: Other | None = None
    change: Change = ""


class Gallery(Stored):
    """Cards of one task and their pictures as data URLs. `counts` are of all its answers, by verdict."""

    task: str
    counts: dict[str, int]
    pictures: list[str]
    cards: list[Card]


def gallery_of(scored: Scored, other: Scored | None = None) -> Gallery:
    """A choice of a task's answers, beside those of `other` (marks of the same questions, in the same order)."""
    others: Sequence[Mark | None] = other.marks if other is not None else [None] * len(scored.marks)
    pairs = list(zip(scored.marks, others, strict=True))
    pictures: dict[object, int] = {}
    urls: list[str] = []
    cards = []
    for row in _chosen(pairs):
        mark, theirs = pairs[row]
        shown = []
        for image in mark.question.images[:_PICTURES]:
            identity = image if isinstance(image, bytes) else str(image)
            if identity not in pictures:
                url = _thumbnail(image)
                pictures[identity] = len(urls) if url else -1
                urls += [url] if url else []
            shown.append(pictures[identity])
        cards.append(_card(mark, theirs, shown))
    counts: Counter[str] = Counter(verdict(mark) for mark in scored.marks)
    return Gallery(task=scored.task, counts=dict(counts), pictures=urls, cards=cards)


def verdict(mark: Mark) -> Verdict:
    """What a mark comes to in one word."""
    if mark.invalid:
        return "invalid"
    return "right" if mark.value >= 1 else "partly" if mark.value > 0 else "wrong"


def expected(mark: Mark) -> str:
    """What would have been right, for a person to read: `detail["expected"]` if a task says it, else its reference."""
    said = mark.detail.get("expected")
    return said if isinstance(said, str) else _in_words(mark.question.reference)


def _in_words(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str | int | float):
        return str(value)
    if dataclasses.is_dataclass(value):
        value = {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        truth = next((value[name] for name in _TRUTHS if value.get(name) is not None), None)
        if truth is None:
            return "; ".join(f"{name}: {_in_words(each)}" for name, each in value.items())
        options = value.get("options")
        named = options.get(truth) if isinstance(options, Mapping) and isinstance(truth, str) else None
        return f"{truth}. {named}" if named else _in_words(truth)
    if isinstance(value, Iterable):
        counts = Counter(_in_words(each) for each in value)  # ten people's answers: the most frequent first
        told = [text if count == 1 else f"{text} ×{count}" for text, count in counts.most_common()]
        return ("\n" if any(len(text) > _LONG_WORD for text in counts) else ", ").join(told)
    return str(value)


def _change(mark: Mark, theirs: Mark | None) -> Change:
    if theirs is None or mark.value == theirs.value:
        return ""
    return "won" if mark.value > theirs.value else "lost"


def _card(mark: Mark, theirs: Mark | None, pictures: list[int]) -> Card:
    return Card(
        key=_cut(mark.question.key),
        question=_cut(mark.question.text),
        text=_cut(mark.text),
        read_as=_cut(mark.read_as),
        expected=_cut(expected(mark)),
        verdict=verdict(mark),
        value=mark.value,
        category=_cut(mark.question.category),
        pictures=pictures,
        num_pictures=len(mark.question.images),
        other=None
        if theirs is None
        else Other(text=_cut(theirs.text), read_as=_cut(theirs.read_as), verdict=verdict(theirs)),
        change=_change(mark, theirs),
    )


def _cut(text: str) -> str:
    text = text.encode("utf-8", errors="replace").decode()  # half a surrogate pair fits into no file
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} … ({len(text) - _LONGEST:,} more characters)"


def _chosen(pairs: Sequence[tuple[Mark, Mark | None]]) -> list[int]:
    """Rows to show, mixed: as many of each verdict as there is room for, and of each category among them."""
    kinds: dict[tuple[str, str], dict[str, list[int]]] = {}
    rows = list(range(len(pairs)))
    random.Random(0).shuffle(rows)
    for row in rows:
        mark, theirs = pairs[row]
        kind = kinds.setdefault((_change(mark, theirs), verdict(mark)), {})
        kind.setdefault(mark.question.category, []).append(row)
    queues = [_in_turn(kinds[kind].values()) for kind in sorted(kinds)]
    return _in_turn(queues)[:_CARDS]


def _in_turn(queues: Iterable[Sequence[int]]) -> list[int]:
    """The first of each, then the second of each, and so on."""
    return [each for each in chain.from_iterable(zip_longest(*queues)) if each is not None]


def _thumbnail(source: object) -> str:
    """A picture as a small data URL; empty when it cannot be opened, which costs a report nothing else."""
    from chiasm.processing.pictures import open_picture

    try:
        image = open_picture(source)
    except UserError:
        return ""
    image.thumbnail((_SIDE, _SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=_QUALITY, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
