"""Scenes in English: noun phrases, captions and descriptions. Knows grammar, nothing about pixels, questions or files.

Things are named from left to right, unless the sentence itself says how they lie: so the order of words has a meaning.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from chiasm.scenes.world import Scene, Thing

_PLURALS = {"box": "boxes"}  # all others take an s
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six")
_NUM_CAPTIONS = 5  # as in COCO


def plural(noun: str) -> str:
    """`ball` -> `balls`, `box` -> `boxes`."""
    return _PLURALS.get(noun, f"{noun}s")


def with_article(phrase: str) -> str:
    """`red ball` -> `a red ball`, `orange ball` -> `an orange ball`."""
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


def listed(phrases: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    if len(phrases) == 1:
        return phrases[0]
    return f"{', '.join(phrases[:-1])} and {phrases[-1]}"


def sentence(text: str) -> str:
    """`text` with a capital letter and a full stop."""
    return f"{text[0].upper()}{text[1:]}."


def name(thing: Thing, *, size: bool = False, colour: bool = True) -> str:
    """`large red ball`, with or without its size and colour."""
    return " ".join(word for word, told in ((thing.size, size), (thing.colour, colour), (thing.kind, True)) if told)


def _each(scene: Scene, *, size: bool) -> list[str]:
    return [with_article(name(thing, size=size)) for thing in scene.left_to_right()]


def captions(scene: Scene, rng: random.Random) -> tuple[str, ...]:
    """Five different captions, from kinds alone to kinds with colours, sizes and places; all true."""
    colours, sizes = _each(scene, size=False), _each(scene, size=True)
    pool = [
        listed(colours),
        sentence(f"there is {listed(sizes)}"),
        sentence(f"a picture of {listed(sizes)}"),
        sentence(_counted_kinds(scene)),
        sentence(f"{listed(colours)} on a {_place(scene)} background"),
        sentence(f"a drawing that shows {listed(colours)}"),
    ]
    if len(scene.things) > 1:
        pool += [sentence(rng.choice(_with_places(colours, verb="is "))), rng.choice(_with_places(sizes, verb=""))]
    different = list(dict.fromkeys(pool))
    return tuple(rng.sample(different, _NUM_CAPTIONS))


def _counted_kinds(scene: Scene) -> str:
    """`two balls and a star`."""
    counts = Counter(thing.kind for thing in scene.left_to_right())
    return listed([with_article(kind) if n == 1 else f"{_NUMBERS[n]} {plural(kind)}" for kind, n in counts.items()])


def _place(scene: Scene) -> str:
    return {"plain": "plain", "gradient": "shaded", "floor": "two-coloured", "stripes": "striped"}[
        scene.background.kind
    ]


def _with_places(phrases: Sequence[str], verb: str) -> list[str]:
    """Two or more phrases in their order from left to right, as captions that say this order."""
    first, *rest = phrases
    *front, last = phrases
    ways = [f"{first} {verb}to the left of {listed(rest)}"]
    if len(phrases) == 2:
        ways.append(f"{last} {verb}to the right of {first}")
    else:
        ways.append(f"from left to right, {listed(phrases)}")
        ways.append(f"{last} {verb}to the right of {listed(front)}")
    return ways


def full_caption(scene: Scene, rng: random.Random) -> str:
    """One caption that names every thing with its colour, sometimes with its size and the order from left to right."""
    phrases = _each(scene, size=rng.random() < 0.5)
    if len(phrases) > 1 and rng.random() < 0.5:
        return rng.choice(_with_places(phrases, verb=""))
    return listed(phrases)


def describe(scene: Scene, rng: random.Random) -> str:
    """One full sentence that names every thing with size and colour, in their order from left to right."""
    phrases = _each(scene, size=True)
    if len(phrases) == 1:
        return sentence(rng.choice([f"there is {phrases[0]}", f"the picture shows {phrases[0]}"]))
    ways = [f"from left to right there is {listed(phrases)}", _sides(phrases)]
    if len(phrases) == 2:
        ways.append(f"there is {phrases[0]} to the left of {phrases[1]}")
        ways.append(f"there is {phrases[1]} to the right of {phrases[0]}")
    return sentence(rng.choice(ways))


def _sides(phrases: Sequence[str]) -> str:
    if len(phrases) == 2:
        return f"on the left there is {phrases[0]} and on the right {phrases[1]}"
    if len(phrases) == 3:
        left, middle, right = phrases
        return f"on the left there is {left}, in the middle {middle} and on the right {right}"
    return f"from left to right one sees {listed(phrases)}"


def in_words(scene: Scene, rng: random.Random) -> str:
    """The scene for someone who cannot see it: enough to answer any question about it, in one to four sentences."""
    ways = [describe(scene, rng), describe(scene, rng), _step_by_step(scene, rng)]
    if len(scene.things) > 1:
        ways.append(_list_then_places(scene, rng))
    return rng.choice(ways)


def _step_by_step(scene: Scene, rng: random.Random) -> str:
    """From one side to the other, a sentence a thing: "There is a large red ball. To the right of it there is ..."."""
    phrases, side = _each(scene, size=True), "right"
    if rng.random() < 0.5:
        phrases, side = phrases[::-1], "left"
    start = rng.choice(["there is", "the picture shows", "i see"])
    opening = sentence(f"{start} {phrases[0]}")
    return " ".join([opening, *(f"To the {side} of it there is {phrase}." for phrase in phrases[1:])])


def _list_then_places(scene: Scene, rng: random.Random) -> str:
    """All things in any order, then who is beside whom: "... The red ball is to the left of the blue star." """
    ordered = scene.left_to_right()
    shuffled = rng.sample(ordered, len(ordered))
    said = [sentence(f"there is {listed([with_article(name(thing, size=True)) for thing in shuffled])}")]
    for left, right in pairwise(ordered):
        if rng.random() < 0.5:
            said.append(f"The {name(left)} is to the left of the {name(right)}.")
        else:
            said.append(f"The {name(right)} is to the right of the {name(left)}.")
    return " ".join(said)
