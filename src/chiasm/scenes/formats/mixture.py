"""The mixture of LLaVA-1.5 in small: short answers, options, boxes, reading, two pictures, long answers, plain talk.

Three records a picture, half of them Chinese. After table 7 of arXiv 2310.03744; all shares are our own choice.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from chiasm.scenes.asking import Question, ask, compare, conversation, long_conversation
from chiasm.scenes.asking.questions import ask_at, with_recognised
from chiasm.scenes.asking.sight import Sight
from chiasm.scenes.asking.smalltalk import smalltalk
from chiasm.scenes.formats.conversations import Turn, record, turns_of
from chiasm.scenes.formats.picture import LANGUAGES, Picture, Record
from chiasm.scenes.formats.requests import IN_DETAIL, ONE_SENTENCE, WITH_BOXES
from chiasm.scenes.telling.description import dense, grounded
from chiasm.scenes.telling.language import Language
from chiasm.scenes.telling.reasons import reasons

_MOST_REGIONS = 4  # asked about in one record
_READ, _RECOGNISED = 0.75, 0.5  # how often a picture with words is read, and how often they are in the prompt

_Turns = Callable[[Picture, Language, random.Random], list[Turn]]


def mixture(picture: Picture, partner: Picture | None) -> Iterator[Record]:
    """The records of a picture; `partner` is what it is compared with, None where there is no other."""
    one, other = LANGUAGES if picture.number % 2 else LANGUAGES[::-1]
    third = LANGUAGES[picture.number // 2 % 2]
    yield _about(picture, "short", _short, one)
    rng = picture.stream("mixture second")
    name, turns = _drawn(rng, _SECOND)
    yield _about(picture, name, turns, other)
    rng = picture.stream("mixture third")
    # Few pictures have words on them, and reading takes more practice than anything else.
    legible = any(thing.text for thing in picture.scene.things) and rng.random() < _READ
    name, turns = ("read", _read) if legible else _drawn(rng, _THIRD)
    if name == "compare":
        question = partner and compare(picture.scene, partner.scene, third, rng)
        if partner and question:
            files = [picture.file, partner.file]
            yield record(f"compare_{picture.digits}_{third.code}", turns_of([question], third), files)
            return
        name = "talk"
    if name == "talk":
        said = turns_of(smalltalk(third, rng), third)
        yield record(f"talk_{picture.digits}_{third.code}", said)
    else:
        yield _about(picture, f"more_{name}", turns, third)


def another(picture: Picture, language: Language, purpose: str) -> Record:
    """A record more of the kinds that come second, of its own for each `purpose`."""
    name, turns = _drawn(picture.stream(f"{purpose} drawn"), _SECOND)
    return _about(picture, name, turns, language, purpose)


def _about(picture: Picture, name: str, turns: _Turns, language: Language, purpose: str = "mixture") -> Record:
    """A record of one picture; short questions where it has nothing of the kind asked for."""
    rng = picture.stream(f"{purpose} {name}")
    said = turns(picture, language, rng)
    if not said:
        name, said = f"{name}_short", _short(picture, language, rng)
    return record(f"{name}_{picture.digits}_{language.code}", said, [picture.file])


def _drawn(rng: random.Random, shares: dict[str, tuple[float, _Turns]]) -> tuple[str, _Turns]:
    (name,) = rng.choices(list(shares), weights=[share for share, _ in shares.values()])
    return name, shares[name][1]


def _short(picture: Picture, language: Language, rng: random.Random) -> list[Turn]:
    return turns_of(conversation(picture.scene, language, rng), language)


def _long(picture: Picture, language: Language, rng: random.Random) -> list[Turn]:
    return turns_of(long_conversation(picture.scene, language, rng), language)


def _dense(picture: Picture, language: Language, rng: random.Random) -> list[Turn]:
    return [(rng.choice(IN_DETAIL[language.code]), dense(picture.scene, language, rng))]


def _grounded(picture: Picture, language: Language, rng: random.Random) -> list[Turn]:
    return [(rng.choice(WITH_BOXES[language.code]), grounded(picture.scene, language, rng))]


def _caption(picture: Picture, language: Language, rng: random.Random) -> list[Turn]:
    return [(ONE_SENTENCE[language.code], rng.choice(picture.captions(language)))]


def _reasons(picture: Picture, language: Language, rng: random.Random) -> list[Turn]:
    known = reasons(picture.scene, language, rng)
    return rng.sample(known, min(len(known), rng.randint(1, 2)))


def _read(picture: Picture, language: Language, rng: random.Random) -> list[Turn]:
    """With the words a reading machine found in half of all cases, without them in the others."""
    question = ask(picture.scene, "read", language, rng)
    if question and rng.random() < _RECOGNISED:
        question = with_recognised(question, picture.scene, rng)
    return turns_of([question], language) if question else []


def _regions(picture: Picture, language: Language, rng: random.Random) -> list[Turn]:
    """Boxes to words and words to boxes, as the mixture's records of RefCOCO and Visual Genome."""
    sight = Sight.of(picture.scene)
    asked: dict[str, Question] = {}
    for number in range(_MOST_REGIONS):
        kind = "text_to_box" if number % 2 else "region_to_text"
        question = ask_at(sight, kind, language, rng)
        if question is not None:
            asked.setdefault(question.question, question)
    return turns_of(asked.values(), language)


# In percent of the second and of the third record of each picture. What the third draws as "compare" or "talk" is made
# above, since it takes two pictures or none.
_SECOND: dict[str, tuple[float, _Turns]] = {
    "more_short": (45, _short),
    "regions": (15, _regions),
    "dense": (10, _dense),
    "long": (9, _long),
    "grounded": (8, _grounded),
    "reasons": (7, _reasons),
    "caption": (6, _caption),
}
_THIRD: dict[str, tuple[float, _Turns]] = {
    "compare": (45, _short),
    "regions": (30, _regions),
    "talk": (14, _short),
    "caption": (11, _caption),
}
