"""What the demo asks about pictures nobody has seen: questions with one right answer, and the four classic requests.

Chosen from the world's own files before there is any model, so that nothing is picked for its answer. Knows no model.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from chiasm.conversation import Conversation, user
from chiasm.evals.statistics import wilson
from chiasm.evals.task import Question
from chiasm.evals.tasks import scenes, scenes_zh
from chiasm.evals.tasks._drawn import Share, Truth, by_kind
from chiasm.scenes.asking.question import NO, YES
from chiasm.scenes.formats.picture import LANGUAGES, Picture
from chiasm.scenes.layout import WrittenWorld
from chiasm.scenes.placing import sample_scene
from chiasm.scenes.scene import Scene
from chiasm.scenes.shards import FIRST_INDEX
from chiasm.scenes.telling.reasons import holding, reasons

Language = Literal["en", "zh"]
CODES: tuple[Language, ...] = ("en", "zh")
SPLIT = "val"
A_KIND = 24  # questions of one kind in one language: an interval of some 20 points; ours, for time
NUM_SETS = 3  # pairs of pictures that the four requests are made about
CLASSICS = ("describe", "ask", "reason", "compare")
_NOT_COUNTED = ("region_to_text", "describe")  # have no single right answer
_SHORT_QUESTIONS = ("holds", "wears", "action", "colour", "kind", "place")  # the first that more than yes answers
_DESCRIBE: Mapping[Language, str] = {"en": "Describe the image in detail.", "zh": "请详细描述这张图片。"}
_TASKS = {"en": scenes.TASK, "zh": scenes_zh.TASK}


@dataclass(frozen=True, slots=True)
class Request:
    """One of the four classics about a picture, or two; `expected` is what the scene behind it says."""

    key: str
    kind: str
    language: Language
    text: str
    images: tuple[Path, ...]
    expected: str

    @property
    def conversation(self) -> Conversation:
        """As a model is asked it."""
        return Conversation((user(self.text, self.images),), self.key)


def questions(world: WrittenWorld) -> dict[Language, list[Question]]:
    """By language: of every kind that has a right answer, the first `A_KIND` questions of the validation pictures."""
    chosen: dict[Language, list[Question]] = {}
    for code in CODES:
        seen: Counter[str] = Counter()
        chosen[code] = []
        for question in _TASKS[code].questions(world.questions(SPLIT, code)):
            seen[question.category] += 1
            if question.category not in _NOT_COUNTED and seen[question.category] <= A_KIND:
                chosen[code].append(question)
    return chosen


def shares(asked: Mapping[Language, Sequence[Question]], texts: Mapping[str, str]) -> dict[str, Share]:
    """Right answers by kind; of several languages, kinds of the same name count together."""
    marks = [mark for code, some in asked.items() for mark in _TASKS[code].mark(some, texts, "published")]
    return by_kind(marks)


def right(code: Language, question: Question, text: str) -> bool:
    """Whether a text answers a question."""
    (mark,) = _TASKS[code].mark([question], {question.key: text}, "published")
    return mark.value == 1


def together(parts: Iterable[Share]) -> Share:
    """All kinds as one."""
    parts = list(parts)
    num_right, num = sum(part.num_right for part in parts), sum(part.num for part in parts)
    return Share(num_right, num, wilson(num_right, num))


def guesses(asked: Mapping[Language, Sequence[Question]]) -> dict[str, str]:
    """The answer of who does not look: by key, always what is most often right for that kind in that language."""
    said: dict[str, str] = {}
    for some in asked.values():
        truths: dict[str, Counter[str]] = {}
        for question in some:
            truths.setdefault(question.category, Counter())[truth(question).answer] += 1
        said |= {question.key: truths[question.category].most_common(1)[0][0] for question in some}
    return said


def truth(question: Question) -> Truth:
    """What is right."""
    assert isinstance(question.reference, Truth)
    return question.reference


def requests(world: WrittenWorld, seed: int, size: int, num_pictures: int) -> list[Request]:
    """The classics about `NUM_SETS` pairs of neighbouring pictures, in both languages: see `varied`."""
    records = {code: _records(world, code) for code in CODES}
    pairs = [(number, number + 1) for number in range(0, num_pictures - 1, 2)]
    pairs = [
        pair
        for pair in pairs
        if _short(records, pair[0]) and all((_file(pair[0]), "compare") in of for of in records.values())
    ]

    firsts = {first: sample_scene(seed, FIRST_INDEX[SPLIT] + first, size) for first, _ in pairs}
    return [
        request
        for number in varied(firsts, NUM_SETS)
        for code in CODES
        for request in _classics(world, seed, size, number, code, records)
    ]


def varied(scenes: Mapping[int, Scene], num: int) -> list[int]:
    """The numbers of the scenes with most in them: by day and in different places, as long as there are such."""
    ranked = sorted(scenes, key=lambda number: len(scenes[number].things) + len(holding(scenes[number])), reverse=True)
    by_place: dict[str, int] = {}
    for number in ranked:
        if scenes[number].time == "day":
            by_place.setdefault(scenes[number].place, number)
    chosen = list(by_place.values())
    return sorted([*chosen, *(number for number in ranked if number not in chosen)][:num])


_Records = Mapping[tuple[str, str], Mapping[str, Any]]
"""The world's questions by picture and kind."""


def _records(world: WrittenWorld, code: Language) -> _Records:
    found = json.loads(world.questions(SPLIT, code).read_bytes())
    return {(_files(record)[0], record["kind"]): record for record in found}


def _short(records: Mapping[Language, _Records], number: int) -> str | None:
    """The kind of short question that is asked about a picture in both languages; None where there is none."""
    yes_or_no = {*YES["en"], *NO["en"], *YES["zh"], *NO["zh"]}
    for kind in _SHORT_QUESTIONS:
        asked = [of.get((_file(number), kind)) for of in records.values()]
        if all(record is not None and record["answer"] not in yes_or_no for record in asked):
            return kind
    return None


def _classics(
    world: WrittenWorld, seed: int, size: int, number: int, code: Language, of_language: Mapping[Language, _Records]
) -> list[Request]:
    file = _file(number)
    picture = Picture(seed, SPLIT, number, sample_scene(seed, FIRST_INDEX[SPLIT] + number, size))
    (language,) = [each for each in LANGUAGES if each.code == code]
    # One stream for both languages: the same thought in both.
    why, because = reasons(picture.scene, language, picture.stream("demo"))[0]
    records = of_language[code]
    asked = records[file, str(_short(of_language, number))]
    compared = records[file, "compare"]
    said = {
        "describe": (_DESCRIBE[code], [file], records[file, "describe"]["answer"]),
        "ask": (asked["question"], [file], asked["answer"]),
        "reason": (why, [file], because),
        "compare": (compared["question"], _files(compared), compared["answer"]),
    }
    return [
        Request(
            f"request_{number:06d}_{kind}_{code}",
            kind,
            code,
            text,
            tuple(world.images / name for name in files),
            expected,
        )
        for kind, (text, files, expected) in said.items()
    ]


def _file(number: int) -> str:
    return f"{SPLIT}/{number:06d}.png"


def _files(record: Mapping[str, Any]) -> list[str]:
    return list(record["images"]) if "images" in record else [record["image"]]
