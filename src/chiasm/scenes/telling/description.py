"""Whole descriptions of a scene: for who looks at it, with boxes, and for who cannot see it. For both languages.

Sentences are worded in `description_ways`; here is decided what is said, in how much detail, and for how long.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from itertools import combinations, groupby

from chiasm.scenes.scene import Relation, Scene, Thing
from chiasm.scenes.telling.boxes import square_box
from chiasm.scenes.telling.choosing import FULL, held, look_of, name_alone, upon, zone
from chiasm.scenes.telling.description_ways import WAYS
from chiasm.scenes.telling.language import Language, Look
from chiasm.scenes.telling.layout import plan
from chiasm.scenes.telling.nouns import capitals, length, listed

_SHORTEST, _LONGEST = 40, 90  # words of a description; ours
_SIDES: tuple[Relation, ...] = ("left of", "right of")
_HEIGHTS: tuple[Relation, ...] = ("above", "below")


def dense(scene: Scene, language: Language, rng: random.Random) -> str:
    """Place, time, weather and every thing with what it looks like, does and where it is; about 40 to 90 words."""
    ways = WAYS[language.code]
    parts = plan(scene, rng)
    opening = ways.opening(scene, rng)
    counts = _counted(scene, language)
    choice = rng.getrandbits(32)
    told = ""
    for detail in range(FULL, 1, -1):
        # The same choices at every amount of detail.
        again = random.Random(choice)
        told = ways.join([opening, *(ways.part(scene, part, detail, again) for part in parts), *counts])
        if length(told) <= _LONGEST:
            break
    spare = [*ways.weather(scene), *relations(scene, language, rng, 3), *ways.missing(scene), ways.total(scene)]
    for more in spare:
        if length(told) >= _SHORTEST:
            break
        told = ways.join([told, more])
    return capitals(told)


def _counted(scene: Scene, language: Language) -> list[str]:
    """How many there are of the kinds that there are several of."""
    counts = Counter(thing.kind for thing in scene.things)
    several = [language.several(Look(kind), number) for kind, number in counts.items() if number > 1]
    return [WAYS[language.code].counted(listed(language, several))] if several else []


def grounded(scene: Scene, language: Language, rng: random.Random) -> str:
    """Every thing from left to right, each followed by its box: "a red car [0.12, 0.40, 0.45, 0.71]"."""
    detail = rng.choice((1, 2, 2))
    named = [
        f"{language.a(look_of(thing, detail))} {square_box(scene, thing)}"
        for thing in sorted(scene.things, key=lambda thing: thing.box.centre)
    ]
    return capitals(WAYS[language.code].with_boxes(scene, named, rng))


def relations(scene: Scene, language: Language, rng: random.Random, number: int) -> tuple[str, ...]:
    """At most `number` sentences of who holds what, what stands on a table, and who is clearly on which side of whom.

    Only of things that can be named alone.
    """
    ways = WAYS[language.code]
    names = _names(scene, language)
    said = [sentence for thing in scene.things for sentence in _bonds(scene, thing, names, language)]
    beside = []
    for first, second in combinations([thing for thing in scene.things if thing.number in names], 2):
        pair = (first, second) if rng.random() < 0.5 else (second, first)
        if (relation := _clear(scene, *pair)) is not None:
            beside.append(ways.sentence(language.stands(names[pair[0].number], relation, names[pair[1].number])))
    rng.shuffle(beside)
    return tuple(capitals(sentence) for sentence in [*said, *beside][:number])


def _names(scene: Scene, language: Language) -> dict[int, str]:
    """What to call each thing that can be named alone without saying where it faces, by number."""
    looks = [(thing.number, name_alone(scene, thing)) for thing in scene.things]
    return {number: language.the(look) for number, look in looks if look is not None and look.facing is None}


def _across(things: Sequence[Thing], language: Language) -> str:
    """Everything from left to right; neighbours that look alike together."""
    alike = [(look, len(list(same))) for look, same in groupby(things, key=lambda thing: look_of(thing, FULL))]
    phrases = [language.a(look) if number == 1 else language.several(look, number) for look, number in alike]
    return WAYS[language.code].across(phrases, plural=alike[0][1] > 1)


def _bonds(scene: Scene, thing: Thing, names: dict[int, str], language: Language) -> list[str]:
    ways = WAYS[language.code]
    if thing.number not in names:
        return []
    said = []
    if (carried := held(scene, thing)) is not None:
        said.append(ways.holds(names[thing.number], language.holding(look_of(carried, 2))))
    said += [ways.on(names[thing.number], names[item.number]) for item in upon(scene, thing) if item.number in names]
    return said


def _clear(scene: Scene, first: Thing, second: Thing) -> Relation | None:
    """How `first` clearly stands to `second`; above and below are only said where one of them is off the ground."""
    if first.number in (second.on, second.held_by) or second.number in (first.on, first.held_by):
        return None
    aloft = ["sky" in (zone(scene, thing),) or zone(scene, thing) == "wall" for thing in (first, second)]
    tries = (*_HEIGHTS, *_SIDES) if aloft[0] != aloft[1] else _SIDES
    return next((relation for relation in tries if scene.stands(first, relation, second)), None)


def in_words(scene: Scene, language: Language, rng: random.Random) -> str:
    """The scene for someone who cannot see it: enough to answer any question about it.

    Every thing with all that is true of it, who holds what, what stands on what, and their order from left to right
    and from top to bottom.
    """
    ways = WAYS[language.code]
    across = sorted(scene.things, key=lambda thing: thing.box.centre)
    names = _names(scene, language)
    said = [ways.opening(scene, rng), _across(across, language)]
    if len(names) > 1:
        down = sorted(scene.things, key=lambda thing: (thing.box.centre[1], thing.number))
        said.append(ways.down([names[thing.number] for thing in down if thing.number in names]))
    bonds = [sentence for thing in scene.things for sentence in _bonds(scene, thing, names, language)]
    rng.shuffle(bonds)
    said += bonds
    return capitals(ways.join(said))
