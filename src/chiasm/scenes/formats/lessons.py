"""Lessons for a language model from nothing: one to five things in words, and questions that make it look them up.

Attention that has little to choose from learns to look things up within minutes; in whole scenes it has not begun by
then. Whether a thing is there has lessons of its own: an answer of one bit, which chance gets right half of the time,
teaches so little that it is learnt last. All shares and chances are our own choice.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from chiasm.scenes.asking.about_scenes import MOST_COUNTED
from chiasm.scenes.asking.question import asked_once
from chiasm.scenes.asking.questions import WITH_OPTIONS, ask_at
from chiasm.scenes.asking.sight import Sight
from chiasm.scenes.asking.wording import listed
from chiasm.scenes.formats.conversations import Turn, record, turns_of
from chiasm.scenes.formats.picture import Picture, Record
from chiasm.scenes.scene import Box, Scene, Thing
from chiasm.scenes.telling.choosing import FULL, look_of
from chiasm.scenes.telling.description import in_words
from chiasm.scenes.telling.language import Language
from chiasm.scenes.telling.nouns import capitals


@dataclass(frozen=True, slots=True)
class _Asked:
    """Kinds of questions by how often they are asked, how many at once, and what questions with options are about."""

    kinds: Mapping[str, int]
    numbers: Sequence[int]
    with_options: Sequence[str] = ()


_NUM_OF_NAMES, _NUM_OF_FEW = 2, 3  # lessons a text
_NUM_THINGS = (1, 2, 2, 3)
_ALIKE = 0.3  # of the lessons: things of one kind where there are several, so that there is something to count
_LISTED = 0.6  # of the lessons: things are but listed; in the others they are told as a scene
_LOOKED_UP = {"colour": 4, "kind": 3, "existence": 5, "action": 2, "state": 2, "read": 2, "count": 4, "option": 4}
_OF_NAMES = _Asked({"existence": 2, "choice": 1}, (3, 4))
# A list says no place, and not who is left of whom.
_OF_A_LIST = _Asked(_LOOKED_UP, (1, 2, 3, 4, 5), ("colour", "kind", "count", "action", "state"))
_OF_A_SCENE = _Asked({**_LOOKED_UP, "side": 4}, (1, 2, 3, 4, 5), WITH_OPTIONS)


def lessons(picture: Picture, language: Language) -> Iterator[Record]:
    """Records about some of the things of a picture, which is not shown."""
    for number in range(_NUM_OF_NAMES):
        rng = picture.stream(f"lesson of names {number}")
        scene = _listed([_bare(thing) for thing in _some(picture.scene, rng)], picture.scene)
        said = _questions(scene, _OF_NAMES, language, rng)
        if said:
            yield record(f"names{number}_{picture.digits}_{language.code}", said, before=_list(scene, 1, language, rng))
    for number in range(_NUM_OF_FEW):
        rng = picture.stream(f"lesson of few {number}")
        chosen = [_alone(thing) for thing in _some_alike(picture.scene, rng)]
        if rng.random() < _LISTED:
            scene, asked = _listed(chosen, picture.scene), _OF_A_LIST
            told = _list(scene, FULL, language, rng)
        else:
            scene, asked = _scene(chosen, picture.scene), _OF_A_SCENE
            told = in_words(scene, language, rng)
        said = _questions(scene, asked, language, rng)
        if said:
            yield record(f"few{number}_{picture.digits}_{language.code}", said, before=told)


def _some(scene: Scene, rng: random.Random) -> list[Thing]:
    """A few of its things, far to near."""
    chosen = rng.sample(scene.things, min(rng.choice(_NUM_THINGS), len(scene.things)))
    return sorted(chosen, key=lambda thing: thing.number)


def _some_alike(scene: Scene, rng: random.Random) -> list[Thing]:
    """The same, or all of one kind and perhaps one more."""
    counts = Counter(thing.kind for thing in scene.things)
    several = [kind for kind, count in counts.items() if 1 < count <= MOST_COUNTED]
    if not several or rng.random() >= _ALIKE:
        return _some(scene, rng)
    kind = rng.choice(several)
    others = [thing for thing in scene.things if thing.kind != kind]
    chosen = [*scene.of_kind(kind), *rng.sample(others, min(len(others), rng.choice((0, 1))))]
    return sorted(chosen, key=lambda thing: thing.number)


def _alone(thing: Thing) -> Thing:
    """Without what ties it to others."""
    return replace(thing, holds=None, held_by=None, hand=None, on=None)


def _bare(thing: Thing) -> Thing:
    """With nothing but kind and colour."""
    return replace(_alone(thing), size=None, facing=None, state=None, action=None, clothes=None, text=None)


def _scene(things: Sequence[Thing], of: Scene) -> Scene:
    return replace(of, things=tuple(replace(thing, number=number) for number, thing in enumerate(things)))


def _listed(things: Sequence[Thing], of: Scene) -> Scene:
    """One above the other, so that nothing hides another and nobody asks who is left of whom."""
    height = 1 / len(things)
    boxes = [Box(0.4, number * height, 0.6, (number + 1) * height) for number in range(len(things))]
    return _scene([replace(thing, box=box) for thing, box in zip(things, boxes, strict=True)], of)


def _list(scene: Scene, detail: int, language: Language, rng: random.Random) -> str:
    """All things in any order: "A red dog and a cup."."""
    looks = [look_of(thing, detail) for thing in rng.sample(scene.things, len(scene.things))]
    named = listed(language, [language.a(look) for look in looks])
    return capitals(f"{named}.") if language.code == "en" else f"{named}。"


def _questions(scene: Scene, asked: _Asked, language: Language, rng: random.Random) -> list[Turn]:
    """Different ones, those for a letter last."""
    sight = Sight.of(scene)
    kinds = rng.choices(list(asked.kinds), weights=list(asked.kinds.values()), k=rng.choice(asked.numbers))
    found = (ask_at(sight, kind, language, rng, with_options=asked.with_options) for kind in kinds)
    questions = dict.fromkeys(question for question in found if question is not None)
    return turns_of(asked_once(sorted(questions, key=lambda question: question.style == "option")), language)
