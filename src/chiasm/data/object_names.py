"""The 80 object categories of COCO, found in English and Chinese text by the words people use for them.

A category is found by its synonyms and their plurals, longest phrase first, whole words only: a "hot dog" is no dog, a
"teddy bear" no bear, a "train station" no train, and an "orange cat" no fruit. No grammar is known: "no dogs" mentions
a dog. The words are in `chiasm.data.object_synonyms`; the idea of synonym lists with double words is from Rohrbach et
al. 2018, "Object Hallucination in Image Captioning".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from chiasm.data import object_synonyms as lists

CATEGORIES: tuple[str, ...] = tuple(lists.ENGLISH)
CHINESE: Mapping[str, tuple[str, ...]] = MappingProxyType({c: tuple(n.split()) for c, n in lists.CHINESE.items()})

_TOKEN = re.compile(r"[a-z0-9]+(?:['\u2019][a-z]+)*|[^\sa-z0-9\-]")


def mentioned(text: str, language: str = "en") -> dict[str, int]:
    """Category -> how often `text` mentions it, in order of first mention; `language` is "en" or "zh".

    Raises `ValueError` for another language.
    """
    counts: dict[str, int] = {}
    for named in find(text, language):
        counts[named.category] = counts.get(named.category, 0) + 1
    return counts


@dataclass(frozen=True, slots=True)
class Named:
    """A category and the characters `begin` to `end` of the text that name it."""

    category: str
    begin: int
    end: int


def find(text: str, language: str = "en") -> Iterator[Named]:
    """Where `text` names an object, in its order; `language` is "en" or "zh". Raises `ValueError` for another one.

    Positions are those of `text.lower()`, which differ only behind letters such as İ that become two.
    """
    if language not in ("en", "zh"):
        raise ValueError(f"objects are found in 'en' and 'zh' text, not in {language!r}")
    return _in_english(text) if language == "en" else _in_chinese(text)


def _in_english(text: str) -> Iterator[Named]:
    tokens = list(_TOKEN.finditer(text.lower()))
    words = [_without_possessive(token[0]) for token in tokens]
    phrases, first = _phrases(), _first_words()
    at = 0
    while at < len(words):
        word = words[at]
        if word not in first:
            at += 1
            continue
        if (word in ("orange", "oranges") or word in lists.GAMES) and _is_thing(words, at):
            yield Named("sports ball" if word in lists.GAMES else "orange", *tokens[at].span())
            at += 1
            continue
        if word in lists.KIN and (animal := _young_animal(words, at)):
            at = animal
            continue
        for phrase, category in phrases.get(word, ()):
            if tuple(words[at : at + len(phrase)]) == phrase and not _goes_on(words, at + len(phrase)):
                if category:
                    yield Named(category, tokens[at].start(), tokens[at + len(phrase) - 1].end())
                at += len(phrase)
                break
        else:
            at += 1


def _without_possessive(token: str) -> str:
    return token[:-2] if len(token) > 2 and token[-2] in "'\u2019" and token[-1] == "s" else token


def _goes_on(words: list[str], end: int) -> bool:
    """Whether the word behind a phrase takes its meaning away, as "station" that of "train"."""
    return end < len(words) and words[end] in _followers().get(words[end - 1], ())


def _young_animal(words: list[str], at: int) -> int | None:
    """Where the animal stands that the words of kin at `at` belong to; None when they belong to none."""
    end = at
    while end < len(words) and (words[end] in lists.KIN or (end > at and words[end] in ("and", "or"))):
        end += 1
    phrases = _phrases().get(_word(words, end), ())
    is_animal = any(category in lists.ANIMALS for phrase, category in phrases if len(phrase) == 1)
    return end if is_animal and words[end - 1] in lists.KIN else None


def _word(words: list[str], at: int) -> str:
    return words[at] if 0 <= at < len(words) else "."


def _is_thing(words: list[str], at: int) -> bool:
    """Whether "orange" or the name of a game is a thing one can touch here."""
    word, before, after = words[at], _word(words, at - 1), _word(words, at + 1)
    if word == "oranges" or (word == "orange" and after in lists.PARTS):
        return True
    ends = after in lists.GOING_ON or not after[0].isalnum()
    if after in ("and", "or") and _word(words, at + 2) in lists.COLOURS:
        return False
    listed = word == "orange" and (
        before in lists.FRUIT
        or (before in (",", "and", "or") and {_word(words, at - 2), _word(words, at - 3)} & lists.FRUIT)
    )
    return bool(ends and (before in lists.ONE or listed))


@cache
def _phrases() -> Mapping[str, tuple[tuple[tuple[str, ...], str], ...]]:
    """First word -> the phrases that begin with it, longest first, each with its category or "" for nothing."""
    found: dict[tuple[str, ...], str] = {}
    for category, synonyms in lists.ENGLISH.items():
        for name in (category, *filter(None, synonyms.split(", "))):
            if name != "orange":
                found.update(dict.fromkeys(_forms(name), category))
    for name in lists.NOTHING.split(", "):
        found.update(dict.fromkeys(_forms(name), ""))
    by_first: dict[str, list[tuple[tuple[str, ...], str]]] = {}
    for phrase, category in sorted(found.items(), key=lambda item: -len(item[0])):
        by_first.setdefault(phrase[0], []).append((phrase, category))
    return MappingProxyType({first: tuple(phrases) for first, phrases in by_first.items()})


@cache
def _first_words() -> frozenset[str]:
    """The words at which anything can begin: most words of a text are none."""
    return frozenset(_phrases()) | lists.KIN | lists.GAMES | {"orange", "oranges"}


@cache
def _followers() -> Mapping[str, frozenset[str]]:
    return MappingProxyType({word: frozenset(followers.split()) for word, followers in lists.NOT_BEFORE.items()})


def _forms(name: str) -> list[tuple[str, ...]]:
    """A phrase in singular and plural, as words."""
    *first, last = name.split()
    return [(*first, last)] if last in lists.OWN_PLURAL else [(*first, last), (*first, _plural(last))]


def _plural(word: str) -> str:
    if word in lists.IRREGULAR:
        return lists.IRREGULAR[word]
    if word.endswith("man") and word != "human":
        return word[:-3] + "men"
    if word.endswith("y") and word[-2] not in "aeiou":
        return word[:-1] + "ies"
    return word + ("es" if word.endswith(("s", "x", "z", "ch", "sh")) else "s")


def _in_chinese(text: str) -> Iterator[Named]:
    pattern, names = _chinese()
    for match in pattern.finditer(text):
        if category := names[match[0]]:
            yield Named(category, *match.span())


@cache
def _chinese() -> tuple[re.Pattern[str], Mapping[str, str]]:
    """All Chinese words, longest first, and the category of each, "" for nothing."""
    names = dict.fromkeys(lists.CHINESE_NOTHING.split(), "")
    names.update({name: category for category, found in CHINESE.items() for name in found})
    return re.compile("|".join(sorted(map(re.escape, names), key=len, reverse=True))), MappingProxyType(names)
