"""Questions about held-out pictures, one of each kind where it can be asked, each with its only right answer."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from chiasm.scenes.asking import KINDS_OF_QUESTIONS, Question, compare
from chiasm.scenes.asking.question import NO, YES
from chiasm.scenes.asking.questions import ask_at
from chiasm.scenes.asking.sight import Sight
from chiasm.scenes.formats.picture import Picture, Record
from chiasm.scenes.formats.requests import IN_DETAIL
from chiasm.scenes.telling.description import dense
from chiasm.scenes.telling.language import Language

# Lessons, not examinations: how many where there are none, which of these is there, is one of them red ("existence"
# examines all three); which half a thing is in.
_NOT_ASKED = ("count_none", "choice", "described", "one_seen", "seen", "half")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question about a picture, and with which other one; `number` is the same for every kind in every picture."""

    picture: Picture
    number: int
    question: Question
    language: Language
    partner: Picture | None = None

    def record(self, split: str) -> Record:
        """The entry of `questions_*.json`."""
        question, code = self.question, self.language.code
        files = [self.picture.file, self.partner.file] if self.partner else self.picture.file
        return {
            "id": f"{split}_{self.picture.digits}_{question.kind}_{code}",
            "images" if self.partner else "image": files,
            "kind": question.kind,
            "style": question.style,
            "question": question.prompt(self.language),
            "answer": question.answer,
            "options": list(question.options),
            "box": [float(each) for each in _NUMBER.findall(question.answer)] if question.style == "box" else None,
        }


@dataclass(slots=True)
class Examiner:
    """Asks about pictures in turn. Whichever of yes and no is behind comes next: coins alone are not even."""

    language: Language
    _given: Counter[tuple[str, bool]] = field(default_factory=Counter)

    def ask(self, picture: Picture, partner: Picture | None) -> Iterator[Asked]:
        """All kinds; a comparison where there is a `partner`, and last a request to describe."""
        rng = picture.stream(f"questions {self.language.code}")
        sight = Sight.of(picture.scene)
        kinds = [kind for kind in KINDS_OF_QUESTIONS if kind not in _NOT_ASKED]
        for number, kind in enumerate(kinds):
            question = self._of_kind(sight, kind, rng)
            if question is not None:
                yield Asked(picture, number, question, self.language)
        compared = compare(picture.scene, partner.scene, self.language, rng) if partner else None
        if compared:
            yield Asked(picture, len(kinds), compared, self.language, partner)
        told = dense(picture.scene, self.language, rng)
        request = rng.choice(IN_DETAIL[self.language.code])
        yield Asked(picture, len(kinds) + 1, Question("describe", request, told, "long"), self.language)

    def _of_kind(self, sight: Sight, kind: str, rng: random.Random) -> Question | None:
        yes = self._given[kind, True] <= self._given[kind, False]
        for wanted in (yes, not yes):
            question = ask_at(sight, kind, self.language, rng, wanted)
            if question is not None:
                break
        else:
            return None
        if question.answer in YES[self.language.code]:
            self._given[kind, True] += 1
        elif question.answer in NO[self.language.code]:
            self._given[kind, False] += 1
        return question
