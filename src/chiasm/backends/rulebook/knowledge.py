"""What the rulebook knows of the world: topics found by words of captions, each with questions and things to say.

English and Chinese are kept topic by topic; a topic is found by its English words, or, where captions are Chinese, by
the object categories those words name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

import yaml

from chiasm.backends.rulebook.reading import Known
from chiasm.data.object_names import mentioned

LANGUAGES = ("en", "zh")


@dataclass(frozen=True, slots=True)
class Lesson:
    """What can be asked and said about a topic in one language."""

    ask: tuple[str, ...]
    so: tuple[str, ...]
    say: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic: the words that captions find it by, their categories, a lesson in each language, and what it needs."""

    words: tuple[str, ...]
    categories: frozenset[str]
    lessons: Mapping[str, Lesson]
    needs: str = ""


@cache
def topics() -> tuple[Topic, ...]:
    """All topics, the particular before the general. Raises `ValueError` where the languages do not go together."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    english, chinese = (
        yaml.load(files(__package__).joinpath(f"knowledge_{language}.yaml").read_text("utf-8"), Loader=loader)
        for language in LANGUAGES
    )
    found = []
    for number, (row, row_zh) in enumerate(zip(english, chinese, strict=True)):
        words = [word.strip() for word in row["when"].split(",")]
        if row_zh["when"] not in words:
            raise ValueError(f"topic {number} is {row['when']!r} in English and {row_zh['when']!r} in Chinese")
        lessons = {"en": _lesson(row), "zh": _lesson(row_zh)}
        found.append(
            Topic(tuple(words), frozenset(mentioned(", ".join(words))), MappingProxyType(lessons), row.get("needs", ""))
        )
    return tuple(found)


@cache
def _finder() -> tuple[re.Pattern[str], Mapping[str, int]]:
    """All words of all topics, the longest first (a hot dog is no dog), and the topic of each."""
    places: dict[str, int] = {}
    for place, topic in enumerate(topics()):
        for word in topic.words:
            places.setdefault(word, place)
    pattern = re.compile(rf"\b(?:{'|'.join(sorted(map(re.escape, places), key=len, reverse=True))})\b")
    return pattern, MappingProxyType(places)


def _shares(known: Known) -> list[float]:
    """For each topic the share of captions that speak of it."""
    counts = [0] * len(topics())
    if known.in_chinese:
        for place, topic in enumerate(topics()):
            counts[place] = max((known.named.get(category, 0) for category in topic.categories), default=0)
    else:
        pattern, places = _finder()
        for caption in known.captions:
            for place in {places[word] for word in pattern.findall(caption.lower())}:
                counts[place] += 1
    return [count / len(known.captions) for count in counts]


def topic_of(known: Known) -> Topic | None:
    """The topic that most captions speak of, the particular before the general; None when none does.

    A topic further down needs more captions to win, so that "a man skiing down a street" is about skiing; and one whose
    objects nobody marked counts half, so that a bear of plush is no bear.
    """
    best: Topic | None = None
    most = 0.0
    for place, (topic, share) in enumerate(zip(topics(), _shares(known), strict=True)):
        if topic.needs and topic.needs not in known.named and topic.needs not in known.marked:
            continue
        if share >= 0.4 or (share and len(known.captions) < 3):  # two of five noticed: it is what the picture is about
            weight = share * (1.0 - 0.01 * place)
            if known.marked and topic.categories and topic.categories.isdisjoint(known.marked):
                weight /= 2
            if weight > most:
                best, most = topic, weight
    return best


def _lesson(row: Mapping[str, Any]) -> Lesson:
    return Lesson(tuple(row["ask"]), tuple(row["so"]), tuple(row["say"]))
