"""Phrases for a region, as people write them for RefCOCO: from the bare name to everything that can be seen.

Whether a phrase fits this thing alone is not looked at: see `choosing.name_alone`. And phrases that are wrong by one
word, for contrast to learn what it else passes over: which way a thing faces, what is written on it (negatives as in
NegCLIP, arXiv 2210.01936).
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from chiasm.scenes.kinds import HATS, WORDS
from chiasm.scenes.scene import Scene, Thing
from chiasm.scenes.telling.choosing import COLOUR_UNSAID, FULL, column, held, look_of
from chiasm.scenes.telling.language import Language, Look

_SIDES = {"left": ("on the left", "左边"), "middle": ("in the middle", "中间"), "right": ("on the right", "右边")}


def phrases(scene: Scene, thing: Thing, language: Language, rng: random.Random) -> tuple[str, ...]:
    """Two to five different phrases, the shortest first: "dog", "a brown dog", "a brown dog lying down".

    One of them always says everything.
    """
    plain = Look.at(thing)
    coloured = look_of(thing, 1)
    some = look_of(thing, rng.choice((2, 2, 3)))
    carried = held(scene, thing)
    full = language.a(look_of(thing, FULL), look_of(carried, 2) if carried is not None else None)
    said = [
        language.name(thing.kind) if rng.random() < 0.5 else language.a(plain),
        language.a(coloured),
        language.a(some, look_of(carried, 1) if carried is not None and rng.random() < 0.5 else None),
        _placed(thing, rng.choice((plain, coloured)), language),
    ]
    if (bond := _bond(scene, thing, coloured, language)) is not None:
        said.append(bond)
    different = list(dict.fromkeys(each for each in said if each != full))
    kept = rng.sample(different, min(rng.choice((2, 3, 3, 4)), len(different)))
    return tuple(sorted([*kept, full], key=len))


def wrong_phrases(scene: Scene, thing: Thing, language: Language, rng: random.Random) -> tuple[str, ...]:
    """What could be taken for `thing` and is not in the picture: "a brown dog facing right" where all face left.

    One for each of its colour, facing, state, action, hat and word, as far as it has them.
    """
    said = []
    for name, value in _mistaken(thing, rng):
        kept = ("colour",) if name in ("facing", "hat") else ()
        look = Look.at(thing, *kept)._replace(**{name: value})
        if not look.num_in(scene):
            said.append(language.a(look))
    return tuple(dict.fromkeys(said))


def _mistaken(thing: Thing, rng: random.Random) -> Iterator[tuple[str, str]]:
    """Names of what can be seen of a thing, each with another value of it."""
    hat = thing.clothes.hat if thing.clothes is not None else None
    colours = () if thing.kind in COLOUR_UNSAID else thing.about.colours
    for name, true, values in (
        ("colour", thing.colour, colours),
        ("facing", thing.facing, ("left", "right")),
        ("state", thing.state, thing.about.states),
        ("action", thing.action, thing.about.actions),
        ("hat", hat, HATS),
        ("text", thing.text, WORDS),
    ):
        others = [value for value in values if value != true]
        if true is not None and others:
            yield name, rng.choice(others)


def _placed(thing: Thing, look: Look, language: Language) -> str:
    """`the brown dog on the left`; 左边那只棕色的狗."""
    english, chinese = _SIDES[column(thing)]
    if language.code == "en":
        return f"{language.the(look)} {english}"
    return f"{chinese}那{language.a(look).removeprefix('一')}"


def _bond(scene: Scene, thing: Thing, look: Look, language: Language) -> str | None:
    """By who holds it or what it stands on: `the umbrella held by a person`, 餐桌上的红色杯子."""
    if thing.held_by is not None:
        holder = look_of(scene.things[thing.held_by], 1)
        if language.code == "en":
            return f"{language.the(look)} held by {language.a(holder)}"
        return f"{language.the(holder)}手里的{language.the(look)}"
    if thing.on is not None:
        table = Look.at(scene.things[thing.on])
        if language.code == "en":
            return f"{language.the(look)} on {language.the(table)}"
        return f"{language.the(table)}上的{language.the(look)}"
    return None
