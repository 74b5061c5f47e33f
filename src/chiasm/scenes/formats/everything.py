"""Everything that can be asked about a picture, each question apart, as if it were the only one.

So no question gives another away, each is learnt from as evaluation asks it, and many share one picture: a row of
tokens holds it once. For a model that has been through the drills. All shares and numbers are our own choice.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping

from chiasm.scenes.asking import compare
from chiasm.scenes.asking.comparing import compare_draft, told_apart
from chiasm.scenes.asking.questions import ask_at, draft_at
from chiasm.scenes.asking.sight import Sight
from chiasm.scenes.formats.conversations import Turn, record, turns_of
from chiasm.scenes.formats.picture import LANGUAGES, Picture, Record
from chiasm.scenes.formats.practice import requested
from chiasm.scenes.formats.requests import COMPARISONS, composed
from chiasm.scenes.telling.language import Language

EVERYTHING = "everything"

# Drawn, not asked so often: where a picture has nothing of a kind, less is asked about it.
_SHORT: Mapping[str, float] = {
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
}
_SENTENCES: Mapping[str, float] = {
    "existence": 3,
    "colour": 2,
    "count": 1.5,
    "side": 1.5,
    "action": 1.5,
    "place": 1,
    "state": 1,
    "kind": 1,
}
_NUM_SHORT, _NUM_SENTENCES, _NUM_OF_TWO = 14, 2, 4  # in each language
_NUM_READ = 4  # in pictures with writing, which are few; in the same words it is asked about once
_OF_TWO_EVERY = 4  # pictures


def everything(picture: Picture, partner: Picture | None) -> Iterator[Record]:
    """Questions of all kinds in both languages; every fourth picture is compared with its `partner`, too."""
    turns: dict[str, str] = {}
    for language in LANGUAGES:
        turns |= _of_one(picture, language)
    spoken = LANGUAGES[picture.number % 2]
    turns |= [requested(picture, spoken, picture.stream(f"{EVERYTHING} requested"))]
    yield record(f"{EVERYTHING}_{picture.digits}", list(turns.items()), [picture.file], apart=True)
    if partner and picture.number % _OF_TWO_EVERY == 0:
        turns = {}
        for language in LANGUAGES:
            turns |= _of_two(picture, partner, language)
        files = [picture.file, partner.file]
        yield record(f"{EVERYTHING}_two_{picture.digits}", list(turns.items()), files, apart=True)


def _of_one(picture: Picture, language: Language) -> Iterator[Turn]:
    rng, sight = picture.stream(f"{EVERYTHING} {language.code}"), Sight.of(picture.scene)
    kinds = _drawn(_SHORT, _NUM_SHORT, rng)
    if any(thing.text for thing in sight.seen):
        kinds += ["read"] * _NUM_READ
    questions = (ask_at(sight, kind, language, rng) for kind in kinds)
    yield from turns_of((question for question in questions if question is not None), language)
    for kind in _drawn(_SENTENCES, _NUM_SENTENCES, rng):
        draft = draft_at(sight, kind, language, rng)
        if draft is not None:
            yield draft.question, draft.sentence


def _of_two(picture: Picture, partner: Picture, language: Language) -> Iterator[Turn]:
    """Short answers, one in a sentence, and in one of the languages what sets the two apart."""
    rng, scenes = picture.stream(f"{EVERYTHING} two {language.code}"), (picture.scene, partner.scene)
    questions = (compare(*scenes, language, rng) for _ in range(_NUM_OF_TWO))
    yield from turns_of((question for question in questions if question is not None), language)
    draft = compare_draft(*scenes, language, rng)
    if draft is not None:
        yield draft.question, draft.sentence
    if language is LANGUAGES[picture.number // _OF_TWO_EVERY % 2]:
        yield composed(COMPARISONS[language.code], rng), told_apart(*scenes, language)


def _drawn(shares: Mapping[str, float], number: int, rng: random.Random) -> list[str]:
    return rng.choices(list(shares), weights=list(shares.values()), k=number)
