"""Drills: one skill a file, for stages of their own. A small model learns a new skill when little else is asked.

In one mixture option letters, sides and numbers stayed guesses however long it was trained; asked for nothing but
letters, it knew them after 20,000 questions. So each skill is drilled alone, the one it builds on before it, and at
last all of them together. In a record no question tells the answer of another: every kind of thing is asked about once.
All shares and numbers are our own choice.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from typing import Literal, get_args

from chiasm.scenes.asking import Question
from chiasm.scenes.asking.about_scenes import is_there, which_described, which_of_these
from chiasm.scenes.asking.comparing import look_through
from chiasm.scenes.asking.question import asked_once
from chiasm.scenes.asking.questions import ask_at, draft_at, with_letters
from chiasm.scenes.asking.relations import ask_half
from chiasm.scenes.asking.sight import Sight
from chiasm.scenes.asking.wording import Draft
from chiasm.scenes.formats.conversations import record, turns_of
from chiasm.scenes.formats.mixture import another
from chiasm.scenes.formats.picture import LANGUAGES, Picture, Record
from chiasm.scenes.formats.practice import short_questions, taken, told
from chiasm.scenes.telling.language import Language, Look

Drill = Literal["letters", "boxes", "sides", "numbers", "options", "pairs", "together"]
DRILLS: tuple[Drill, ...] = get_args(Drill)
"""In the order they are learnt in."""
_IN_BOTH_LANGUAGES = ("sides", "numbers", "options", "together")
_MOST = 5  # questions of one record
_NUM_OPTIONS = (2, 2, 2, 3, 4, 4)  # where a letter is all that is new
_DESCRIBED = 0.3  # of the letters: which of these dogs, by its colour or by what it does
_HALVES = 0.35  # of the records of sides: in which half of the picture a thing is
_REGIONS = 0.2  # of the boxes: what is in one
_ONE_COUNTED = 0.12  # how often a thing of which there is one is counted: else "1" would nearly always be right
_KIND_FIRST, _OF_TWO, _AROUND = 0.5, 0.5, 0.4  # of the records of options: what is there, sides, the place or weather
_LIKE = {"colour": 4.0, "count": 3.0, "action": 2.0, "state": 2.0, "holds": 1.0}
_SAID = {"existence": 4.0, "colour": 2.0, "count": 1.5, "action": 1.0, "state": 1.0, "wears": 1.0, "described": 1.0}
_AROUND_IT = ("place", "weather", "time")
_OTHERWISE = ("wears", "size", "state", "action", "holds", "facing")
_TRIES = 3
_MORE_ABSENT = 4
_COMPARED = 6  # questions about two pictures
_LONGER_EVERY = 3  # pictures, together: a longer answer, so that it is not forgotten

_Questions = Iterator[Question]


def drills(picture: Picture, partner: Picture | None) -> Iterator[tuple[Drill, Record]]:
    """The records of a picture; it is looked through together with `partner`, where there is one."""
    for number, drill in enumerate(DRILLS):
        one = LANGUAGES[(picture.number + number) % 2]
        for language in LANGUAGES if drill in _IN_BOTH_LANGUAGES else (one,):
            rng = picture.stream(f"drill {drill} {language.code}")
            found = _record(drill, picture, partner, language, rng)
            if found is not None:
                yield drill, found
    language = LANGUAGES[picture.number // _LONGER_EVERY % 2]
    if picture.number % _LONGER_EVERY == 1:
        yield "together", another(picture, language, "drill longer", short=False)
    elif picture.number % _LONGER_EVERY == 2:
        turn = told(picture, language, picture.stream("drill told"))
        yield "together", record(f"told_{picture.digits}_{language.code}", [turn], [picture.file])


def _record(
    drill: Drill, picture: Picture, partner: Picture | None, language: Language, rng: random.Random
) -> Record | None:
    name: str = drill
    if drill == "together":
        (name,) = rng.choices(list(_TOGETHER), weights=list(_TOGETHER.values()))
    files = [picture.file]
    if name == "pairs":
        if partner is None:
            return None
        files.append(partner.file)
        questions = list(look_through(picture.scene, partner.scene, language, rng, _COMPARED))
    else:
        questions = list(_ASKED[name](Sight.of(picture.scene), language, rng))
    if not questions:
        return None
    return record(f"{drill}_{picture.digits}_{language.code}", turns_of(asked_once(questions), language), files)


def _letters(sight: Sight, language: Language, rng: random.Random) -> _Questions:
    """Which of these is there: what practice has taught, answered by a letter."""
    absent = sight.absent()
    for kind in _kinds(sight, rng)[:_MOST]:
        draft = which_described(_only(sight, kind), language, rng) if rng.random() < _DESCRIBED else None
        if draft is None:
            number = rng.choice(_NUM_OPTIONS)
            if len(absent) < number + _MORE_ABSENT:
                return
            wrong = [taken(absent, sight.scene, rng) for _ in range(number - 1)]
            draft = which_of_these(wrong, kind, language, rng)
        yield with_letters(draft, rng, rng.choice(_NUM_OPTIONS))


def _boxes(sight: Sight, language: Language, rng: random.Random) -> _Questions:
    for kind in _kinds(sight, rng)[:_MOST]:
        asked = "region_to_text" if rng.random() < _REGIONS else "text_to_box"
        question = ask_at(_only(sight, kind), asked, language, rng)
        if question is not None:
            yield question


def _sides(sight: Sight, language: Language, rng: random.Random) -> _Questions:
    """How two things lie to each other; or where one lies, which is the half of it."""
    kinds = _kinds(sight, rng)
    if rng.random() < _HALVES:
        for kind in kinds[:_MOST]:
            draft = ask_half(_only(sight, kind), language, rng, rng.random() < 0.5)
            if draft is not None:
                yield _short("half", draft)
        return
    for two in zip(kinds[::2], kinds[1::2], strict=False):
        yield from _asked("side", _only(sight, *two), language, rng)


def _numbers(sight: Sight, language: Language, rng: random.Random) -> _Questions:
    for kind in _kinds(sight, rng):
        if _worth_counting(sight, kind, rng):
            yield from _asked("count", _only(sight, kind), language, rng)


def _options(sight: Sight, language: Language, rng: random.Random) -> _Questions:
    """Everything that can be asked with options."""
    kinds = _kinds(sight, rng)
    draft = draft_at(sight, "kind", language, rng) if rng.random() < _KIND_FIRST else None
    if draft is not None and draft.wrong:
        said = f"{draft.question} {draft.answer}".lower()
        kinds = [kind for kind in kinds if language.name(kind) not in said]
        yield with_letters(draft, rng)
    if len(kinds) > 1 and rng.random() < _OF_TWO:
        yield from _with_letters("side", _only(sight, kinds.pop(), kinds.pop()), language, rng)
    for kind in kinds[: _MOST - 1]:
        for wanted in rng.choices(list(_LIKE), weights=list(_LIKE.values()), k=_TRIES):
            if wanted == "count" and not _worth_counting(sight, kind, rng):
                continue
            question = next(_with_letters(wanted, _only(sight, kind), language, rng), None)
            if question is not None:
                yield question
                break
    if rng.random() < _AROUND:
        yield from _with_letters(rng.choice(_AROUND_IT), sight, language, rng)


def _sentences(sight: Sight, language: Language, rng: random.Random) -> _Questions:
    """Questions without a format prompt, answered in whole sentences, as people ask them."""
    absent, drafts = sight.absent(), []
    for kind in _kinds(sight, rng)[: _MOST - 1]:
        for wanted in rng.choices(list(_SAID), weights=list(_SAID.values()), k=_TRIES):
            if wanted == "count" and not _worth_counting(sight, kind, rng):
                continue
            if wanted == "existence" and len(absent) > _MORE_ABSENT:
                yes = rng.random() < 0.5
                look = Look(kind if yes else taken(absent, sight.scene, rng))
                draft: Draft | None = is_there(sight, look, language, rng, yes)
            else:
                draft = draft_at(_only(sight, kind), wanted, language, rng)
            if draft is not None:
                drafts.append((wanted, draft))
                break
    if rng.random() < _AROUND:
        wanted = rng.choice(_AROUND_IT)
        draft = draft_at(sight, wanted, language, rng)
        drafts += [(wanted, draft)] if draft is not None else []
    yield from (Question(wanted, draft.question, draft.sentence, "long") for wanted, draft in drafts)


def _seldom(sight: Sight, language: Language, rng: random.Random) -> _Questions:
    """What no drill asks in a word: place, time and weather, and what else things are like."""
    for wanted in rng.sample(_AROUND_IT, len(_AROUND_IT)):
        yield from _asked(wanted, sight, language, rng)
    for kind in _kinds(sight, rng)[: _MOST - 2]:
        for wanted in rng.sample(_OTHERWISE, len(_OTHERWISE)):
            question = next(_asked(wanted, _only(sight, kind), language, rng), None)
            if question is not None:
                yield question
                break


def _practised(sight: Sight, language: Language, rng: random.Random) -> _Questions:
    yield from short_questions(sight.scene, language, rng)


_ASKED: Mapping[str, Callable[[Sight, Language, random.Random], _Questions]] = {
    "letters": _letters,
    "boxes": _boxes,
    "sides": _sides,
    "numbers": _numbers,
    "options": _options,
    "sentences": _sentences,
    "seldom": _seldom,
    "practised": _practised,
}
# Half of it is what the drills do not ask in a word: without that, it is forgotten.
_TOGETHER = {
    "letters": 0.7,
    "boxes": 1.0,
    "sides": 2.0,
    "numbers": 1.5,
    "options": 3.5,
    "pairs": 1.0,
    "sentences": 2.0,
    "seldom": 3.0,
    "practised": 8.0,
}


def _asked(wanted: str, sight: Sight, language: Language, rng: random.Random) -> _Questions:
    draft = draft_at(sight, wanted, language, rng)
    if draft is not None:
        yield _short(wanted, draft)


def _with_letters(wanted: str, sight: Sight, language: Language, rng: random.Random) -> _Questions:
    draft = draft_at(sight, wanted, language, rng)
    if draft is not None and draft.wrong:
        yield with_letters(draft, rng)


def _short(kind: str, draft: Draft) -> Question:
    return Question(kind, draft.question, draft.answer, "short")


def _worth_counting(sight: Sight, kind: str, rng: random.Random) -> bool:
    return len(sight.scene.of_kind(kind)) > 1 or rng.random() < _ONE_COUNTED


def _kinds(sight: Sight, rng: random.Random) -> list[str]:
    kinds = sorted({thing.kind for thing in sight.seen})
    return rng.sample(kinds, len(kinds))


def _only(sight: Sight, *kinds: str) -> Sight:
    return Sight(sight.scene, tuple(thing for thing in sight.seen if thing.kind in kinds))
