"""What stage 1 and stage 2 of LLaVA are trained on, and the language model before them: three files of LLaVA's JSON.

All shares and chances are our own choice.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace

from chiasm.scenes.asking import Question, conversation, long_conversation
from chiasm.scenes.asking.about_scenes import MOST_COUNTED
from chiasm.scenes.asking.question import asked_once
from chiasm.scenes.asking.questions import WITH_OPTIONS, ask_at
from chiasm.scenes.asking.sight import Sight
from chiasm.scenes.asking.smalltalk import smalltalk
from chiasm.scenes.asking.wording import listed
from chiasm.scenes.formats.conversations import Turn, record, turns_of
from chiasm.scenes.formats.picture import LANGUAGES, Picture, Record
from chiasm.scenes.formats.requests import BRIEFLY, IN_DETAIL, OF_WORDS, WITH_BOXES
from chiasm.scenes.scene import Box, Scene, Thing
from chiasm.scenes.telling.choosing import FULL, look_of
from chiasm.scenes.telling.description import dense, grounded, in_words
from chiasm.scenes.telling.language import Language
from chiasm.scenes.telling.nouns import capitals
from chiasm.scenes.telling.reasons import reasons

_CAPTION, _DENSE = 0.4, 0.35  # of the descriptions of stage 1; the others name everything with its box
_SMALLTALK_EVERY = 2  # texts
_FEWS = 4  # records about few things a text
_FEW = (1, 2, 2, 3)  # things, where attention is to have little to choose from
_ALIKE = 0.3  # of them are of one kind where there are several, so that there is something to count
_LISTED = 0.6  # of them are but named, the others told as scenes
_NUM_ASKED = (1, 2, 3, 4, 5)
# What is asked about few things, and how often: what must be looked up by one word of the question; of things that are
# told as a scene also what is about two of them.
_LOOKED_UP = {"colour": 4, "kind": 3, "existence": 8, "action": 2, "state": 2, "read": 2, "count": 4, "option": 4}
_RELATED = {**_LOOKED_UP, "side": 4}
_OF_A_LIST = (
    "colour",
    "kind",
    "count",
    "action",
    "state",
)  # what options to a list are about: it tells no place
_NEEDS_A_PICTURE = ("box", "region")


def align(picture: Picture) -> Iterator[Record]:
    """Stage 1: a request and one description, once in each language."""
    for language in LANGUAGES:
        rng = picture.stream(f"align {language.code}")
        chance = rng.random()
        if chance < _CAPTION:
            asked, told = BRIEFLY, rng.choice(picture.captions(language))
        elif chance < _CAPTION + _DENSE:
            asked, told = IN_DETAIL, dense(picture.scene, language, rng)
        else:
            asked, told = WITH_BOXES, grounded(picture.scene, language, rng)
        turn = rng.choice(asked[language.code]), told
        yield record(f"align_{picture.digits}_{language.code}", [turn], [picture.file])


def instruct(picture: Picture) -> Iterator[Record]:
    """The three kinds of LLaVA-Instruct; two in one language, one in the other, the next picture the other way round.

    Conversation, detail, complex reasoning: arXiv 2304.08485, section 3.
    """
    one, other = LANGUAGES if picture.number % 2 else LANGUAGES[::-1]
    for kind, language in (("conversation", one), ("detail", other), ("complex", one)):
        rng = picture.stream(f"instruct {kind}")
        if kind == "conversation":
            said = turns_of(long_conversation(picture.scene, language, rng), language)
        elif kind == "detail":
            said = [(rng.choice(IN_DETAIL[language.code]), dense(picture.scene, language, rng))]
        else:
            known = reasons(picture.scene, language, rng)
            said = [rng.choice(known)] if known else []
        if said:
            yield record(f"{kind}_{picture.digits}_{language.code}", said, [picture.file])


def text(picture: Picture) -> Iterator[Record]:
    """For the language model alone: a scene told in words, questions about it, a caption of it; and smalltalk.

    And some of its things alone, with a question or two: who learns to look things up begins with little.
    """
    language = LANGUAGES[picture.number % 2]
    for number in range(_FEWS):
        yield from _of_few(picture, language, number)
    rng = picture.stream("text")
    told = in_words(picture.scene, language, rng)
    asked = conversation if rng.random() < 0.7 else long_conversation
    said = turns_of(_answerable(asked(picture.scene, language, rng)), language)
    summed_up = rng.choice(OF_WORDS[language.code]), rng.choice(picture.captions(language))
    if rng.random() < 0.5 or not said:
        said.insert(rng.randrange(len(said) + 1), summed_up)
    yield record(f"text_{picture.digits}_{language.code}", said, before=told)
    if picture.number % _SMALLTALK_EVERY == 0:
        yield _talk(picture, LANGUAGES[picture.number // _SMALLTALK_EVERY % 2])


def _of_few(picture: Picture, language: Language, number: int) -> Iterator[Record]:
    rng = picture.stream(f"text of few {number}")
    chosen = _few_of(picture.scene, rng)
    alone = [replace(each, number=n, holds=None, held_by=None, hand=None, on=None) for n, each in enumerate(chosen)]
    is_told = rng.random() >= _LISTED
    if not is_told:  # a list does not say who is left of whom
        alone = [replace(each, box=Box(0.4, each.number / 8, 0.6, (each.number + 1) / 8)) for each in alone]
    scene = replace(picture.scene, things=tuple(alone))
    if is_told:
        kinds, options, told = _RELATED, WITH_OPTIONS, in_words(scene, language, rng)
    else:
        kinds, options = _LOOKED_UP, _OF_A_LIST
        named = listed(language, [language.a(look_of(thing, FULL)) for thing in rng.sample(alone, len(alone))])
        told = capitals(f"{named}.") if language.code == "en" else f"{named}。"
    sight = Sight.of(scene)
    drawn = rng.choices(list(kinds), weights=list(kinds.values()), k=rng.choice(_NUM_ASKED))
    found = (ask_at(sight, kind, language, rng, with_options=options) for kind in drawn)
    asked = [question for question in found if question is not None]
    if asked:
        asked.sort(key=lambda question: question.style == "option")  # who asks for a letter asks last
        said = turns_of(asked_once(_answerable(dict.fromkeys(asked))), language)
        yield record(f"few{number}_{picture.digits}_{language.code}", said, before=told)


def _few_of(scene: Scene, rng: random.Random) -> list[Thing]:
    """Some of its things, far to near: any, or all of one kind and perhaps one more."""
    chosen: list[Thing] = rng.sample(scene.things, min(rng.choice(_FEW), len(scene.things)))
    counts = Counter(thing.kind for thing in scene.things)
    several = [kind for kind, count in counts.items() if 1 < count <= MOST_COUNTED]
    if several and rng.random() < _ALIKE:
        kind = rng.choice(several)
        others = [thing for thing in scene.things if thing.kind != kind]
        chosen = [*scene.of_kind(kind), *rng.sample(others, min(len(others), rng.choice((0, 1))))]
    return sorted(chosen, key=lambda thing: thing.number)


def _answerable(questions: Iterable[Question]) -> list[Question]:
    """Those without boxes; nobody reads a picture there."""
    return [replace(each, recognised=()) for each in questions if each.style not in _NEEDS_A_PICTURE]


def _talk(picture: Picture, language: Language) -> Record:
    said: list[Turn] = turns_of(smalltalk(language, picture.stream("smalltalk")), language)
    return record(f"talk_{picture.digits}_{language.code}", said)
