"""Everything that can be asked about a picture, each question apart, as if it were the only one.

So no question gives another away, each is learnt from as evaluation asks it, and many share one picture: a row of
tokens holds it once. For a model that has been through the drills: `EVERYTHING` asks all kinds alike, `HARDEST` mostly
what such a model still gets wrong. All shares and numbers are our own choice.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from chiasm.scenes.asking import compare
from chiasm.scenes.asking.comparing import compare_draft, told_apart
from chiasm.scenes.asking.questions import ask_at, draft_at
from chiasm.scenes.asking.sight import Sight
from chiasm.scenes.formats.conversations import Turn, record, turns_of
from chiasm.scenes.formats.picture import LANGUAGES, Picture, Record
from chiasm.scenes.formats.practice import requested
from chiasm.scenes.formats.requests import COMPARISONS, composed
from chiasm.scenes.telling.language import Language

EVERYTHING, HARDEST = "everything", "hardest"


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is asked about a picture, kinds by how often and how many at once in each language."""

    short: Mapping[str, float]
    """Drawn, not asked so often: where a picture has nothing of a kind, less is asked about it."""
    sentences: Mapping[str, float]
    num_sentences: int
    unwritten_every: int
    """Of pictures without writing one of so many."""
    requested_every: int
    """A longer answer about one of so many pictures."""
    of_two_every: int
    """One of so many is compared with its partner."""


_ASKED: Mapping[str, _Asked] = {
    EVERYTHING: _Asked(
        short={
            "option": 5,
            "count": 4.5,
            "existence": 3,
            "colour": 3,
            "text_to_box": 3,
            "action": 2.5,
            "state": 2.5,
            "side": 2,
            "kind": 2,
            "described": 1.5,
            "wears": 1.5,
            "holds": 1.5,
            "facing": 1.5,
            "choice": 1,
            "weather": 1,
            "size": 1,
            "time": 0.5,
            "half": 0.5,
            "region_to_text": 0.5,
            "place": 0.4,
            "count_none": 0.3,
        },
        sentences={
            "existence": 3,
            "colour": 2,
            "count": 1.5,
            "side": 1.5,
            "action": 1.5,
            "place": 1,
            "state": 1,
            "kind": 1,
        },
        num_sentences=2,
        unwritten_every=1,
        requested_every=1,
        of_two_every=4,
    ),
    HARDEST: _Asked(
        short={
            "count": 12,
            "option": 7,
            "colour": 4,
            "action": 2.5,
            "state": 2.5,
            "existence": 2,
            "text_to_box": 2,
            "kind": 2,
            "holds": 2,
            "side": 1.5,
            "wears": 1.5,
            "size": 1.5,
            "described": 1,
            "facing": 0.5,
            "choice": 0.5,
            "weather": 0.5,
            "count_none": 0.5,
            "time": 0.3,
            "half": 0.3,
            "region_to_text": 0.3,
            "place": 0.3,
        },
        sentences={"existence": 1, "colour": 1, "count": 2, "side": 1, "action": 1, "place": 1, "state": 1, "kind": 1},
        num_sentences=1,
        unwritten_every=3,
        requested_every=4,
        of_two_every=8,
    ),
}
_NUM_SHORT, _NUM_OF_TWO = 14, 4  # in each language
_NUM_READ = 4  # in pictures with writing, which are few; in the same words it is asked about once


def apart(name: str, picture: Picture, partner: Picture | None) -> Iterator[Record]:
    """Questions of all kinds in both languages, by the shares of `name`; some about the picture and its `partner`."""
    asked, sight = _ASKED[name], Sight.of(picture.scene)
    if picture.is_written_or_one_of(asked.unwritten_every):
        turns: dict[str, str] = {}
        for language in LANGUAGES:
            turns |= _of_one(sight, asked, language, picture.stream(f"{name} {language.code}"))
        if picture.number % asked.requested_every == 0:
            spoken = LANGUAGES[picture.number // asked.requested_every % 2]
            turns |= [requested(picture, spoken, picture.stream(f"{name} requested"))]
        yield record(f"{name}_{picture.digits}", list(turns.items()), [picture.file], apart=True)
    if partner and picture.number % asked.of_two_every == 0:
        turns = {}
        for language in LANGUAGES:
            told = language is LANGUAGES[picture.number // asked.of_two_every % 2]
            turns |= _of_two(picture, partner, language, picture.stream(f"{name} two {language.code}"), told=told)
        files = [picture.file, partner.file]
        yield record(f"{name}_two_{picture.digits}", list(turns.items()), files, apart=True)


def _of_one(sight: Sight, asked: _Asked, language: Language, rng: random.Random) -> Iterator[Turn]:
    kinds = _drawn(asked.short, _NUM_SHORT, rng)
    if any(thing.text for thing in sight.seen):
        kinds += ["read"] * _NUM_READ
    questions = (ask_at(sight, kind, language, rng) for kind in kinds)
    yield from turns_of((question for question in questions if question is not None), language)
    for kind in _drawn(asked.sentences, asked.num_sentences, rng):
        draft = draft_at(sight, kind, language, rng)
        if draft is not None:
            yield draft.question, draft.sentence


def _of_two(
    picture: Picture, partner: Picture, language: Language, rng: random.Random, *, told: bool
) -> Iterator[Turn]:
    """Short answers, one in a sentence, and where it is to be `told`, what sets the two apart."""
    scenes = picture.scene, partner.scene
    questions = (compare(*scenes, language, rng) for _ in range(_NUM_OF_TWO))
    yield from turns_of((question for question in questions if question is not None), language)
    draft = compare_draft(*scenes, language, rng)
    if draft is not None:
        yield draft.question, draft.sentence
    if told:
        yield composed(COMPARISONS[language.code], rng), told_apart(*scenes, language)


def _drawn(shares: Mapping[str, float], number: int, rng: random.Random) -> list[str]:
    return rng.choices(list(shares), weights=list(shares.values()), k=number)
