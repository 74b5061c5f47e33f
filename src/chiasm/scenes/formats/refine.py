"""Refinement: what is still a guess after practice: option letters, two pictures, sides, numbers, whole sentences.

As in practice, no question tells the answer of another: what a question or an answer has named is not asked for later,
of two things one question tells the side, and each thing is described once. Options are also asked of what practice has
taught already (which of these is there), so that a letter for an answer is the only new thing about them. All shares
and numbers are our own choice.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import pairwise

from chiasm.scenes.asking import Question
from chiasm.scenes.asking.about_scenes import is_there, which_is_there, which_of_these
from chiasm.scenes.asking.comparing import look_through
from chiasm.scenes.asking.question import asked_once
from chiasm.scenes.asking.questions import ask_at, draft_at, with_letters
from chiasm.scenes.asking.sight import Sight
from chiasm.scenes.asking.wording import Draft
from chiasm.scenes.formats.conversations import record, turns_of
from chiasm.scenes.formats.mixture import another
from chiasm.scenes.formats.picture import LANGUAGES, Picture, Record
from chiasm.scenes.formats.practice import taken, told
from chiasm.scenes.kinds import KINDS
from chiasm.scenes.telling.language import Language, Look

_IN_SENTENCES = 0.2  # of the records: whole sentences, no format prompt
_WITH_LETTERS = 0.45  # of the questions that can have options
_KIND_FIRST = 0.4  # how often the first question is for a kind of thing
_THERE = 0.7  # how often it is asked whether things are there
_AROUND = 0.35  # how often the place, the time or the weather is asked for
_MOST_THERE, _MOST_LIKE, _MOST_SIDES, _MOST_BOXES = 3, 4, 3, 3
_LIKE = {
    "count": 4.0,
    "colour": 2.5,
    "described": 1.5,
    "action": 0.8,
    "state": 0.8,
    "wears": 0.8,
    "read": 0.8,
    "size": 0.4,
    "facing": 0.4,
}
_TRIES = 3
_MOST_WRONG = 4
_COMPARED = 6  # questions about two pictures
_OLD_EVERY = 4  # pictures: one in so many has a record of the mixture, another a longer answer as in practice


def refine(picture: Picture, partner: Picture | None) -> Iterator[Record]:
    """The records of a picture; of two partners the first is looked through together with the other."""
    for language in LANGUAGES:
        rng = picture.stream(f"refine {language.code}")
        asked = _Interview(Sight.of(picture.scene), language, rng).questions()
        if asked:
            yield record(f"refine_{picture.digits}_{language.code}", turns_of(asked, language), [picture.file])
        if partner and picture.number % 2 == 0:
            rng = picture.stream(f"refine compare {language.code}")
            found = list(look_through(picture.scene, partner.scene, language, rng, _COMPARED))
            if found:
                turns = turns_of(asked_once(found), language)
                yield record(f"compare_{picture.digits}_{language.code}", turns, [picture.file, partner.file])
    language = LANGUAGES[picture.number // _OLD_EVERY % 2]
    if picture.number % _OLD_EVERY == 1:
        yield another(picture, language, "refine longer", short=False)
    elif picture.number % _OLD_EVERY == 3:
        turn = told(picture, language, picture.stream("refine told"))
        yield record(f"told_{picture.digits}_{language.code}", [turn], [picture.file])


class _Interview:
    """The questions about one picture; remembers what they have named."""

    def __init__(self, sight: Sight, language: Language, rng: random.Random) -> None:
        self._sight, self._language, self._rng = sight, language, rng
        self._sentences = rng.random() < _IN_SENTENCES
        self._named: set[str] = set()
        self._described: set[str] = set()
        self._kinds = sorted({thing.kind for thing in sight.seen})
        rng.shuffle(self._kinds)

    def questions(self) -> Sequence[Question]:
        """First what nothing may have told before, last what has an answer of its own format."""
        there = self._there() if self._rng.random() < _THERE else ()
        asked = [*self._kind(), *there, *self._like(), *self._around(), *self._sides()]
        return asked if self._sentences else asked_once([*asked, *self._boxes()])

    def _kind(self) -> Iterator[Question]:
        """What is there, of that colour or sort; what it and its answer name is not described later."""
        if self._rng.random() < _KIND_FIRST:
            yield from self._asked("kind", self._sight)

    def _there(self) -> Iterator[Question]:
        """Whether things are there; a coin says each time whether it is one that is."""
        rng, language, scene = self._rng, self._language, self._sight.scene
        there = [kind for kind in self._kinds if kind not in self._named]
        absent = [kind for kind in self._sight.absent() if kind not in self._named]
        rng.shuffle(absent)
        for _ in range(_MOST_THERE):
            if not there or len(absent) <= _MOST_WRONG:
                return
            chance = rng.random()
            if chance < 0.4:
                yes = rng.random() < 0.5
                look = Look(there.pop() if yes else taken(absent, scene, rng))
                yield self._put("existence", is_there(self._sight, look, language, rng, yes), letters=False)
                continue
            right, wrong = there.pop(), [taken(absent, scene, rng) for _ in range(rng.choice((1, 1, 2, 3)))]
            if chance < 0.8 and not self._sentences:
                yield self._put("choice", which_of_these(wrong, right, language, rng), letters=True)
            else:
                kinds = rng.sample([right, *wrong], len(wrong) + 1)
                yield self._put("choice", which_is_there(kinds, right, language, rng), letters=False)

    def _like(self) -> Iterator[Question]:
        """What things are like; each question is about a kind of its own."""
        for kind in [kind for kind in self._kinds if kind not in self._described][:_MOST_LIKE]:
            for wanted in self._rng.choices(list(_LIKE), weights=list(_LIKE.values()), k=_TRIES):
                if wanted == "count" and self._sentences and kind in self._named:
                    continue  # "Yes, there are two dogs in the picture."
                question = next(self._asked(wanted, self._of(kind)), None)
                if question is not None:
                    yield question
                    break

    def _sides(self) -> Iterator[Question]:
        """How things lie to each other, in a chain: what is asked of the next two does not follow."""
        for one, other in list(pairwise(self._kinds))[:_MOST_SIDES]:
            yield from self._asked("side", self._of(one, other))

    def _around(self) -> Iterator[Question]:
        if self._rng.random() < _AROUND:
            yield from self._asked(self._rng.choice(("place", "time", "weather")), self._sight)

    def _boxes(self) -> Iterator[Question]:
        for kind in self._rng.sample(self._kinds, len(self._kinds))[:_MOST_BOXES]:
            question = ask_at(self._of(kind), "text_to_box", self._language, self._rng)
            if question is not None:
                yield question

    def _kinds_in(self, *texts: str) -> set[str]:
        whole = " ".join(texts).lower()
        return {kind.name for kind in KINDS if self._language.name(kind.name) in whole}

    def _of(self, *kinds: str) -> Sight:
        return Sight(self._sight.scene, tuple(thing for thing in self._sight.seen if thing.kind in kinds))

    def _asked(self, wanted: str, sight: Sight) -> Iterator[Question]:
        draft = draft_at(sight, wanted, self._language, self._rng)
        if draft is not None:
            yield self._put(wanted, draft, letters=bool(draft.wrong) and self._rng.random() < _WITH_LETTERS)

    def _put(self, kind: str, draft: Draft, *, letters: bool) -> Question:
        said = self._kinds_in(draft.question, draft.sentence)
        self._named |= said | self._kinds_in(*draft.wrong)
        if kind == "kind":
            self._described = said
        if self._sentences:
            return Question(kind, draft.question, draft.sentence, "long")
        if letters:
            return with_letters(draft, self._rng)
        return Question(kind, draft.question, draft.answer, "read" if kind == "read" else "short")
