"""Questions about held-out pictures of a drawn world, each with its only right answer: reading, marking, summing up.

Ours throughout. A question says how it wants to be answered (`style`), and is marked by that:

- yes or no: `chiasm.evals.yes_no`; an option's letter: `chiasm.evals.choices`
- a word, a phrase, a number: the same after case, punctuation, white space and articles; "three" and 三 are 3
- a word that is read ("read"): the same after case, punctuation and white space
- a box: four numbers whose box shares half of what both cover (IoU, as for RefCOCO)
- a region's description: words in common with the reference (F1; characters in Chinese), in no accuracy
- a long description: only whether it is long; its truth is measured by `caption` and `chair`

`format` is the share of answers as short as the prompt asks, or as long; `format_short` and `format_long` are those of
each. What is read counts once as all, and once more words and numbers apart.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chiasm.errors import UserError
from chiasm.evals.choices import lettered, read_choice
from chiasm.evals.files import find_file, read_records
from chiasm.evals.statistics import Interval, wilson
from chiasm.evals.task import Mark, Question, Rule, Task, one_by_one, percent
from chiasm.evals.tasks._pictures import picture_folder
from chiasm.evals.yes_no import read_yes_no

_STYLES = ("short", "read", "option", "box", "region", "long")
_YES_OR_NO = ("yes", "no", "是", "不是", "有", "没有")
_FILES = {"en": "questions_test.json", "zh": "questions_test_zh.json"}
# Ours: the longest short answer and the shortest long one, in words; a Chinese character counts as half a word.
_SHORT, _LONG = 4, 20
_OVERLAP = 0.5
_HAN = r"[\u3400-\u9fff]"
_WORD = re.compile(rf"{_HAN}|[^\W_]+(?:['’.][^\W_]+)*")
_NUMBER = re.compile(r"\d+(?:\.\d+)?|\.\d+")
_ARTICLE = re.compile(r"^(?:a|an|the)\s+")
_NUMBERS = {
    word: str(number)
    for words in (
        ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
        ("零", "一", "二", "三", "四", "五", "六", "七", "八", "九", "十", "十一", "十二"),
    )
    for number, word in enumerate(words)
} | {"两": "2", "none": "0"}
_NOT_COUNTED = ("region", "long")  # styles whose marks are no right or wrong


@dataclass(frozen=True, slots=True)
class Truth:
    """What is right, and how it is compared; `box` are left, top, right and bottom in parts of the padded square."""

    answer: str
    style: str
    options: tuple[str, ...] = ()
    box: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Share:
    """How many of one kind of question were answered right, and Wilson's 95 % interval in percent."""

    num_right: int
    num: int
    interval: Interval

    @property
    def percent(self) -> float:
        return percent(self.num_right, self.num)


def drawn_task(about: str, language: str) -> Task:
    """The task of a language, "en" or "zh"."""

    def questions(data: Path) -> list[Question]:
        return _questions(data, language)

    return Task(
        about=about,
        questions=questions,
        mark=one_by_one(_mark),
        metrics=_metrics,
        headline="accuracy",
        max_tokens=256,  # of a long description, in a small vocabulary
    )


def by_kind(marks: Sequence[Mark]) -> dict[str, Share]:
    """Right answers by kind of question, where an answer is right or wrong, in order of appearance."""
    counts: dict[str, list[float]] = {}
    for mark in marks:
        if _truth(mark).style not in _NOT_COUNTED:
            counts.setdefault(mark.question.category, []).append(mark.value)
    return {
        kind: Share(round(sum(values)), len(values), wilson(round(sum(values)), len(values)))
        for kind, values in counts.items()
    }


def _questions(data: Path, language: str) -> list[Question]:
    path = data if data.is_file() else find_file(data, "scenes", (_FILES[language],))
    records = read_records(path)
    if wrong := [number for number, record in enumerate(records) if not _is_question(record)]:
        raise UserError(
            f"{path}: {len(wrong):,} of {len(records):,} records are no questions (first: {wrong[0]}). Each needs an "
            f"id, an image or images, a kind, a question, an answer and a style of {', '.join(_STYLES)}; "
            "with `chiasm data scenes` write the world again"
        )
    if again := len(records) - len({record["id"] for record in records}):
        raise UserError(f"{path}: {again:,} of {len(records):,} ids come again. Write the world again")
    folder = picture_folder((path.parent,), ("images", ""), (_pictures(record)[0] for record in records))
    return [_question(record, folder) for record in records]


def _is_question(record: Mapping[str, Any]) -> bool:
    box = record.get("box") or ()
    return (
        all(isinstance(record.get(name), str) and record[name] for name in ("id", "kind", "question", "answer"))
        and bool(_pictures(record))
        and record.get("style") in _STYLES
        and (record["style"] != "option" or bool(record.get("options")))
        and (record["style"] != "box" or (len(box) == 4 and all(isinstance(each, int | float) for each in box)))
    )


def _pictures(record: Mapping[str, Any]) -> list[str]:
    named = record.get("images", record.get("image"))
    named = [named] if isinstance(named, str) else named
    return named if isinstance(named, list) and all(isinstance(each, str) for each in named) else []


def _question(record: Mapping[str, Any], folder: Path) -> Question:
    options = tuple(map(str, record.get("options") or ()))
    truth = Truth(record["answer"], record["style"], options, tuple(record.get("box") or ()))
    return Question(
        id=record["id"],
        key=record["id"],
        text=record["question"],
        images=tuple(folder / name for name in _pictures(record)),
        reference=truth,
        category=record["kind"],
        group=_pictures(record)[0],
        options=tuple(lettered(options)) if truth.style == "option" else (),
    )


def _truth(mark: Mark) -> Truth:
    truth = mark.question.reference
    assert isinstance(truth, Truth)
    return truth


def _mark(question: Question, text: str, rule: Rule) -> Mark:
    truth = question.reference
    assert isinstance(truth, Truth)
    value, read = _worth(truth, text)
    obeyed: bool | None = None
    if truth.style == "long":
        obeyed = length(text) >= _LONG
    elif truth.style in ("short", "read", "option"):
        obeyed = 0 < length(text) <= _SHORT
    return Mark(
        question,
        text,
        value,
        read or "",
        invalid=read is None,
        detail={"expected": truth.answer, "obeyed": obeyed},
    )


def _worth(truth: Truth, text: str) -> tuple[float, str | None]:
    """From 0 to 1, and what was understood; None where that is nothing."""
    if truth.style == "option":
        letter = read_choice(text, lettered(truth.options))
        return float(letter == truth.answer), letter
    if truth.style == "box":
        box = read_box(text)
        return float(box is not None and overlap(box, truth.box) >= _OVERLAP), str(list(box)) if box else None
    if truth.style == "region":
        return words_in_common(text, truth.answer), text.strip() or None
    if truth.style == "long":
        return float(length(text) >= _LONG), text.strip() or None
    if truth.answer in _YES_OR_NO:
        said = read_yes_no(text)
        return float(said == read_yes_no(truth.answer)), said
    read = plain(text, truth.style == "read")
    return float(read == plain(truth.answer, truth.style == "read")), read or None


def plain(text: str, as_written: bool = False) -> str:
    """An answer in the form in which it is compared; `as_written` keeps articles and number words."""
    said = " ".join(re.findall(r"[^\W_]+(?:['’][^\W_]+)*", unicodedata.normalize("NFKC", text).casefold()))
    said = re.sub(rf"(?<={_HAN}) +| +(?={_HAN})", "", said)
    if as_written:
        return said
    said = _ARTICLE.sub("", said)
    return _NUMBERS.get(said, said)


def length(text: str) -> float:
    """In words, of which two Chinese characters make one."""
    words = _WORD.findall(unicodedata.normalize("NFKC", text))
    han = sum(re.fullmatch(_HAN, word) is not None for word in words)
    return len(words) - han / 2


def read_box(text: str) -> tuple[float, ...] | None:
    """The four numbers of an answer that has just four, as a box with sides; None for any other."""
    numbers = tuple(float(each) for each in _NUMBER.findall(unicodedata.normalize("NFKC", text)))
    if len(numbers) != 4 or numbers[0] >= numbers[2] or numbers[1] >= numbers[3]:
        return None
    return numbers


def overlap(first: Sequence[float], second: Sequence[float]) -> float:
    """Intersection over union of two boxes (left, top, right, bottom)."""
    wide = min(first[2], second[2]) - max(first[0], second[0])
    high = min(first[3], second[3]) - max(first[1], second[1])
    shared = max(wide, 0.0) * max(high, 0.0)
    whole = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (first, second)) - shared
    return shared / whole if whole > 0 else 0.0


def words_in_common(text: str, reference: str) -> float:
    """F1 of the words both have, each as often as both have it."""
    said, truth = (Counter(_WORD.findall(unicodedata.normalize("NFKC", each).casefold())) for each in (text, reference))
    common = (said & truth).total()
    return 2 * common / (said.total() + truth.total()) if common else 0.0


def _metrics(marks: Sequence[Mark]) -> dict[str, float]:
    shares = by_kind(marks)
    metrics = {
        "accuracy": percent(sum(share.num_right for share in shares.values()), sum(s.num for s in shares.values())),
        **{f"accuracy_{kind}": share.percent for kind, share in shares.items()},
    }
    existence = Counter(
        (read_yes_no(_truth(mark).answer), mark.read_as) for mark in marks if mark.question.category == "existence"
    )
    if existence:
        hits = existence["yes", "yes"]
        said = sum(count for (_, read), count in existence.items() if read == "yes")
        true = sum(count for (truth, _), count in existence.items() if truth == "yes")
        metrics["existence_f1"] = percent(2 * hits, said + true)
    read = [(_truth(mark).answer.isdigit(), mark.value) for mark in marks if _truth(mark).style == "read"]
    for name, is_number in (("words", False), ("numbers", True)):
        values = [value for digits, value in read if digits is is_number]
        if values:
            metrics[f"accuracy_read_{name}"] = percent(sum(values), len(values))
    regions = [mark.value for mark in marks if _truth(mark).style == "region"]
    if regions:
        metrics["region_words_f1"] = percent(sum(regions), len(regions))
    obeyed = [(_truth(mark).style == "long", mark.detail["obeyed"]) for mark in marks]
    for name, lengths in (("format", (False, True)), ("format_short", (False,)), ("format_long", (True,))):
        as_asked = [value for is_long, value in obeyed if value is not None and is_long in lengths]
        if as_asked:
            metrics[name] = percent(as_asked.count(True), len(as_asked))
    return metrics
