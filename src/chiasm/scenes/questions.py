"""Questions about a scene and their only right answers. Knows what is unambiguous and what a blind guesser would say.

A question is asked only where one answer is right: a thing is spoken of by words that fit it alone, "left of" is said
only where it is clear. Yes and no are drawn by a coin before the question is made up; a "no" is mostly a near miss.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

from chiasm.scenes.words import describe, plural, with_article
from chiasm.scenes.world import COLOURS, KINDS, Scene, Thing

# The response format prompt of LLaVA-1.5 (arXiv:2310.03744, section 3.3): what makes an answer a short one.
SHORT_ANSWER = "Answer the question using a single word or phrase."

_DESCRIBE = (
    "Describe the picture.",
    "What can you see?",
    "What does the picture show?",
    "Tell me what is in the picture.",
)


@dataclass(frozen=True)
class Question:
    """A question with its answer; `kind` is a name from `QUESTION_KINDS` or "describe"."""

    kind: str
    question: str
    answer: str

    @property
    def prompt(self) -> str:
        """What a model is asked: the question, and where a short answer is wanted the line that asks for one."""
        return self.question if self.kind == "describe" else f"{self.question}\n{SHORT_ANSWER}"


@dataclass(frozen=True)
class _Look:
    """What may be said of a thing; None is left unsaid, and a thing without a kind is called "thing"."""

    size: str | None = None
    colour: str | None = None
    kind: str | None = None

    def fits(self, thing: Thing) -> bool:
        pairs = ((self.size, thing.size), (self.colour, thing.colour), (self.kind, thing.kind))
        return all(said is None or said == true for said, true in pairs)

    def count(self, scene: Scene) -> int:
        return sum(self.fits(thing) for thing in scene.things)

    def words(self, many: bool = False) -> str:
        noun = self.kind or "thing"
        return " ".join(word for word in (self.size, self.colour, plural(noun) if many else noun) if word)

    @property
    def num_said(self) -> int:
        return sum(part is not None for part in (self.size, self.colour, self.kind))


def ask(scene: Scene, kind: str, rng: random.Random, *, yes: bool | None = None) -> Question | None:
    """A question of this kind about the scene, or None where none can be asked without doubt about the answer.

    If it turns out as one to be answered by yes or no, the answer is the one asked for by `yes`, else a coin's.
    """
    coin = rng.random() < 0.5
    made = _MAKERS[kind](scene, rng, coin if yes is None else yes)
    return None if made is None else Question(kind, *made)


def ask_to_describe(scene: Scene, rng: random.Random) -> Question:
    """A request to describe the scene; the answer is one full sentence that leaves nothing out."""
    return Question("describe", rng.choice(_DESCRIBE), describe(scene, rng))


def conversation(scene: Scene, rng: random.Random) -> tuple[Question, ...]:
    """Three or four different short questions, as far as the scene gives them, and one to describe it.

    The description comes last: before the questions it would answer them, and nobody would have to look.
    """
    wanted = rng.choice((3, 4))
    asked: dict[str, Question] = {}
    for kind in rng.choices(list(_OFTEN), weights=list(_OFTEN.values()), k=6 * wanted):
        question = ask(scene, kind, rng)
        if question is not None and len(asked) < wanted:
            asked.setdefault(question.question, question)
    return (*asked.values(), ask_to_describe(scene, rng))


def _only(scene: Scene, thing: Thing, rng: random.Random, hidden: str) -> str | None:
    """Words that fit `thing` and nothing else in the scene and do not tell `hidden`; None where there are none.

    Mostly the fewest words that will do.
    """
    looks = [
        look
        for size, colour, kind in product((None, thing.size), (None, thing.colour), (None, thing.kind))
        if (look := _Look(size, colour, kind)).num_said
        and look.count(scene) == 1
        and not (hidden == "kind" and kind)
        and not (hidden == "colour" and colour)
        and not (hidden == "size" and size)
        # "the thing that is red" is how one asks for a kind; anything else is called by its name.
        and (kind or hidden == "kind")
    ]
    if not looks:
        return None
    fewest = min(look.num_said for look in looks)
    short = [look for look in looks if look.num_said == fewest]
    return rng.choice(short if rng.random() < 0.75 else looks).words()


def _ask_colour(scene: Scene, rng: random.Random, _yes: bool) -> tuple[str, str] | None:
    for thing in rng.sample(scene.things, len(scene.things)):
        words = _only(scene, thing, rng, hidden="colour")
        if words:
            ways = (f"What colour is the {words}?", f"What is the colour of the {words}?")
            return rng.choice(ways), thing.colour
    return None


def _ask_kind(scene: Scene, rng: random.Random, _yes: bool) -> tuple[str, str] | None:
    for thing in rng.sample(scene.things, len(scene.things)):
        words = _only(scene, thing, rng, hidden="kind")
        if words:
            return rng.choice((f"What is the {words}?", f"What kind of thing is the {words}?")), thing.kind
    return None


def _ask_size(scene: Scene, rng: random.Random, _yes: bool) -> tuple[str, str] | None:
    for thing in rng.sample(scene.things, len(scene.things)):
        words = _only(scene, thing, rng, hidden="size")
        if words:
            ways = (f"Is the {words} large or small?", f"Is the {words} small or large?", f"What size is the {words}?")
            return rng.choice(ways), thing.size
    return None


def _ask_existence(scene: Scene, rng: random.Random, yes: bool) -> tuple[str, str]:
    told = rng.choice(("both", "kind", "colour"))
    if told == "both":
        look = _present(scene, rng) if yes else _near_miss(scene, rng)
    elif told == "kind":
        present = {thing.kind for thing in scene.things}
        look = _Look(kind=rng.choice([kind for kind in KINDS if (kind in present) == yes]))
    else:
        present = {thing.colour for thing in scene.things}
        look = _Look(colour=rng.choice([colour for colour in COLOURS if (colour in present) == yes]))
    words = with_article(look.words())
    ways = (f"Is there {words}?", f"Is there {words} in the picture?", f"Can you see {words}?")
    return rng.choice(ways), "yes" if yes else "no"


def _present(scene: Scene, rng: random.Random) -> _Look:
    thing = rng.choice(scene.things)
    return _Look(colour=thing.colour, kind=thing.kind)


def _near_miss(scene: Scene, rng: random.Random) -> _Look:
    """A colour and a kind that are not there together: both there but apart, or one of them, or (rarely) none.

    In a scene of a red ball and a blue star these are the red star; the green ball and the red tree; the pink cup.
    """
    pairs = {(thing.colour, thing.kind) for thing in scene.things}
    colours, kinds = {colour for colour, _ in pairs}, {kind for _, kind in pairs}
    misses: dict[str, list[tuple[str, str]]] = {"swapped": [], "colour": [], "kind": [], "neither": []}
    for colour, kind in product(COLOURS, KINDS):
        if (colour, kind) in pairs:
            continue
        if colour in colours:
            misses["swapped" if kind in kinds else "colour"].append((colour, kind))
        else:
            misses["kind" if kind in kinds else "neither"].append((colour, kind))
    weights = {"swapped": 5, "colour": 3, "kind": 3, "neither": 1}
    possible = [how for how, found in misses.items() if found]
    how = rng.choices(possible, weights=[weights[name] for name in possible])[0]
    colour, kind = rng.choice(misses[how])
    return _Look(colour=colour, kind=kind)


def _ask_count(scene: Scene, rng: random.Random, _yes: bool) -> tuple[str, str]:
    if rng.random() < 0.5:
        ways = ("How many things are there?", "How many things are in the picture?", "How many things can you see?")
        return rng.choice(ways), str(len(scene.things))
    looks = [_Look(kind=kind) for kind in KINDS] + [_Look(colour=colour) for colour in COLOURS]
    by_count: dict[int, list[_Look]] = {}
    for look in looks:
        by_count.setdefault(look.count(scene), []).append(look)
    # First how many, then of what: else nearly every answer were 0. Higher numbers are rare, so they go first.
    count = rng.choices(list(by_count), weights=[1 + 2 * max(0, n - 1) for n in by_count])[0]
    words = rng.choice(by_count[count]).words(many=True)
    return rng.choice((f"How many {words} are there?", f"How many {words} can you see?")), str(count)


def _ask_relation(scene: Scene, rng: random.Random, yes: bool) -> tuple[str, str] | None:
    if rng.random() < 0.5:
        return _ask_beside(scene, rng)
    pairs = [(a, b) for a, b in product(scene.things, scene.things) if scene.left_of(a, b)]
    if not pairs:
        return None
    left, right = rng.choice(pairs)
    side = rng.choice(("left", "right"))
    subject, other = (left, right) if (side == "left") == yes else (right, left)
    first, second = _only(scene, subject, rng, hidden=""), _only(scene, other, rng, hidden="")
    return f"Is the {first} to the {side} of the {second}?", "yes" if yes else "no"


def _ask_beside(scene: Scene, rng: random.Random) -> tuple[str, str] | None:
    """What lies to one side of a thing, where just one thing does and no other is nearly level with it."""
    candidates: list[tuple[str, Thing, Thing]] = []
    for anchor in scene.things:
        others = [thing for thing in scene.things if thing is not anchor]
        left = [thing for thing in others if scene.left_of(thing, anchor)]
        right = [thing for thing in others if scene.left_of(anchor, thing)]
        if len(left) + len(right) == len(others):
            candidates += [
                (side, anchor, found[0]) for side, found in (("left", left), ("right", right)) if len(found) == 1
            ]
    if not candidates:
        return None
    side, anchor, answer = rng.choice(candidates)
    return f"What is to the {side} of the {_only(scene, anchor, rng, hidden='')}?", answer.kind


_MAKERS: dict[str, Callable[[Scene, random.Random, bool], tuple[str, str] | None]] = {
    "colour": _ask_colour,
    "existence": _ask_existence,
    "count": _ask_count,
    "kind": _ask_kind,
    "relation": _ask_relation,
    "size": _ask_size,
}
QUESTION_KINDS = tuple(_MAKERS)
# How often each is asked in training: twice as often where an answer is worth one bit and a scene must be searched.
_OFTEN = {"colour": 1, "existence": 2, "count": 1, "kind": 1, "relation": 2, "size": 1}
