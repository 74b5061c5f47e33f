"""Drills: many questions of one skill about a picture, and some practice, so that little else is forgotten.

What is new to a model from nothing is learnt when little else is asked: letters of options were guesses after 49,000
questions among others, and known after 41,000 by themselves, with two options. What is not asked meanwhile is
forgotten: so every fifth record but those of letters and pairs is one of practice, and `TOGETHER` asks everything, a
part of it without the format prompt. The last two drills, which ask each question apart, have a file of their own. All
shares and numbers are our own choice.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, islice, repeat

from chiasm.scenes.asking import Question
from chiasm.scenes.asking.comparing import compare_draft, told_apart, which_has
from chiasm.scenes.asking.question import LETTERS, asked_once
from chiasm.scenes.asking.questions import WITH_OPTIONS, ask_at, draft_at
from chiasm.scenes.asking.sight import Sight
from chiasm.scenes.formats.apart import EVERYTHING, HARDEST, apart
from chiasm.scenes.formats.conversations import record, turns_of
from chiasm.scenes.formats.mixture import another
from chiasm.scenes.formats.picture import LANGUAGES, Picture, Record
from chiasm.scenes.formats.practice import compared, practised, there, told
from chiasm.scenes.formats.requests import COMPARISONS, composed
from chiasm.scenes.scene import Thing
from chiasm.scenes.telling.language import Language

TOGETHER, PAIRS = "together", "pairs"


@dataclass(frozen=True, slots=True)
class _Drill:
    """One of `every` so many pictures; kinds of questions by how often they are asked, and how many at once.

    `with_options` is what questions with options are about.
    """

    every: int
    kinds: Mapping[str, float]
    number: int
    with_options: Sequence[str] = WITH_OPTIONS
    practice_every: int = 2
    """A record of practice for one of so many of the drill's pictures; 0: none."""
    only_written: bool = False
    """Pictures without a word or a number in them are left out."""


_EVERYTHING: Mapping[str, float] = {
    "option": 5,
    "side": 4,
    "text_to_box": 4,
    "count": 3,
    "kind": 3,
    "facing": 1,
    "half": 1,
    "read": 1,
}
_ASKED: Mapping[str, _Drill] = {
    "letters": _Drill(6, {"option": 1}, 12, ("one_seen",), practice_every=0),
    "options": _Drill(2, {"option": 1}, 6, ("seen", *WITH_OPTIONS)),
    "sides": _Drill(4, {"side": 2, "half": 1}, 6),
    "boxes": _Drill(3, {"text_to_box": 1}, 6),
    "words": _Drill(1, {"read": 3, "facing": 2, "kind": 1}, 5, only_written=True),
    TOGETHER: _Drill(2, _EVERYTHING, 9, practice_every=1),
}
_APART = (EVERYTHING, HARDEST)
DRILLS = (*_ASKED, PAIRS, *_APART)
_PLAINLY: Mapping[str, float] = {"colour": 3, "count": 2, "side": 2, "place": 1, "action": 2, "state": 1, "kind": 1}
_NUM_THERE, _NUM_PLAINLY = 3, 4  # questions in whole sentences: whether things are there, and others
_OF_FEW_ANSWERS = ("side", "half", "count", "facing")
_NUM_COMPARED = 2
_TRIES = 3  # pairs of things, until one stands clearly on one side of the other


def drill(name: str, picture: Picture, partner: Picture | None) -> Iterator[Record]:
    """The records of a picture in the drill `name`, one of `DRILLS`; `partner` is what it is compared with."""
    if name == PAIRS:
        if partner and picture.number % 2 == 0:  # of two partners the first
            yield from _paired(picture, partner)
        return
    if name in _APART:
        yield from apart(name, picture, partner)
        return
    asked = _ASKED[name]
    turn, left = divmod(picture.number, asked.every)
    if left or (asked.only_written and not picture.is_written):
        return
    for language in LANGUAGES:
        rng = picture.stream(f"{name} {language.code}")
        questions = _questions(Sight.of(picture.scene), asked, language, rng)
        if questions:
            yield record(f"{name}_{picture.digits}_{language.code}", turns_of(questions, language), [picture.file])
    one, other = LANGUAGES if turn // 2 % 2 else LANGUAGES[::-1]
    if asked.practice_every and turn % asked.practice_every == 0:
        yield from practised(picture, one, f"{name}_practice")
    if name == TOGETHER:
        yield from _plainly(picture, other)
        third = LANGUAGES[turn % 2]
        yield (another if turn // 4 % 2 else told)(picture, third, f"{name} longer")
        if partner:
            yield from _of_two(picture, partner, turn)


def _paired(picture: Picture, partner: Picture) -> Iterator[Record]:
    """Which of two pictures shows a thing, and nothing else: in one language as they are, in the other swapped.

    What is in the first of two pictures in English is in the second of two in Chinese.
    """
    for language, pictures in zip(LANGUAGES, ((picture, partner), (partner, picture)), strict=True):
        first, second = pictures
        asked = which_has(first.scene, second.scene, language, picture.stream(f"{PAIRS} {language.code}"))
        if asked:
            turns = turns_of(asked_once(asked), language)
            yield record(f"{PAIRS}_{picture.digits}_{language.code}", turns, [first.file, second.file])


def _questions(sight: Sight, asked: _Drill, language: Language, rng: random.Random) -> tuple[Question, ...]:
    """Ones that do not give each other away; those with a format of their own come after the short ones."""
    pairs = list(combinations(sight.seen, 2))
    rng.shuffle(pairs)
    # Each pair of things once, and each half: where one is left of the other, the other is right of it.
    each = sight.shuffled(rng)
    left: dict[str, Iterator[tuple[Thing, ...]]] = {
        "side": iter(pairs),
        "half": zip(each, strict=True),
        "facing": zip(each, strict=True),
    }
    found: dict[str, Question] = {}
    for kind in rng.choices(list(asked.kinds), weights=list(asked.kinds.values()), k=asked.number):
        for things in islice(left.get(kind, repeat(sight.seen, 1)), _TRIES):
            these = Sight(sight.scene, things)
            question = ask_at(these, kind, language, rng, with_options=asked.with_options)
            if question is not None:
                found.setdefault(_gives_away(question), question)
                break
    return asked_once(sorted(found.values(), key=lambda question: question.style != "short"))


def _gives_away(question: Question) -> str:
    """What a question with its answer gives away: questions that tell the same are asked once."""
    if question.style == "option":
        return question.options[LETTERS.index(question.answer)]
    return question.question if question.kind in _OF_FEW_ANSWERS else question.answer


def _plainly(picture: Picture, language: Language) -> Iterator[Record]:
    """Short questions as people type them, without the format prompt; the answers are whole sentences."""
    rng, sight = picture.stream(f"together plainly {language.code}"), Sight.of(picture.scene)
    drafts = [draft for _, draft in there(picture.scene, language, rng)][:_NUM_THERE]
    kinds = rng.choices(list(_PLAINLY), weights=list(_PLAINLY.values()), k=_NUM_PLAINLY)
    found = [draft_at(sight, kind, language, rng) for kind in kinds]
    turns = {draft.question: draft.sentence for draft in (*drafts, *found) if draft is not None}
    if turns:
        yield record(f"plainly_{picture.digits}_{language.code}", list(turns.items()), [picture.file])


def _of_two(picture: Picture, partner: Picture, turn: int) -> Iterator[Record]:
    """Half of all pairs are asked about for short answers, a quarter for sentences, and a quarter are told apart."""
    way, language = turn % 4, LANGUAGES[turn // 4 % 2]
    if way < 2:
        yield from compared(picture, partner, language, "together compare")
        return
    rng, scenes = picture.stream(f"together two {language.code}"), (picture.scene, partner.scene)
    if way == 2:
        drafts = [compare_draft(*scenes, language, rng) for _ in range(_NUM_COMPARED)]
        turns = {draft.question: draft.sentence for draft in drafts if draft is not None}
    else:
        turns = {composed(COMPARISONS[language.code], rng): told_apart(*scenes, language)}
    if turns:
        identity = f"{'plainly' if way == 2 else 'apart'}_two_{picture.digits}_{language.code}"
        yield record(identity, list(turns.items()), [picture.file, partner.file])
