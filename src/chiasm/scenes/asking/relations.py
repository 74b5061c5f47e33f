"""Questions about how two things lie to each other, and about what there is somewhere."""

from __future__ import annotations

import random
from itertools import permutations

from chiasm.scenes.asking.sight import Sight
from chiasm.scenes.asking.wording import Draft, Ways, capital, confirmed, say, the_one, yes_or_no
from chiasm.scenes.kinds import KINDS
from chiasm.scenes.scene import Relation, Thing
from chiasm.scenes.telling.language import Language, Look

_OPPOSITE: dict[Relation, Relation] = {
    "left of": "right of",
    "right of": "left of",
    "above": "below",
    "below": "above",
}
_SIDES: dict[str, dict[Relation, str]] = {
    "en": {"left of": "left", "right of": "right", "above": "above", "below": "below"},
    "zh": {"left of": "左边", "right of": "右边", "above": "上方", "below": "下方"},
}
_BESIDE: Ways = {
    "en": (
        "Where is {first}: left or right of {second}?",
        "Is {first} to the left or to the right of {second}?",
        "On which side of {second} is {first}, left or right?",
    ),
    "zh": ("{first}在{second}的左边还是右边？", "{first}在{second}的哪一边，左边还是右边？"),
}
_OVER: Ways = {
    "en": ("Is {first} above or below {second}?", "Where is {first}: above or below {second}?"),
    "zh": ("{first}在{second}的上方还是下方？",),
}
_IS_BESIDE: Ways = {"en": ("Is {first} {relation} {second}?",), "zh": ("{first}在{second}的{relation}吗？",)}
_HALF: Ways = {
    "en": (
        "Which half of the picture is {the} in, left or right?",
        "Is {the} in the left or in the right half of the picture?",
    ),
    "zh": ("{the}在图片的左半边还是右半边？", "{the}在图的哪一半，左边还是右边？"),
}
_ON_TABLE: Ways = {
    "en": ("What is on {the}?", "What is standing on {the}?", "What can you see on {the}?"),
    "zh": ("{the}上有什么？", "{the}上放着什么？", "{the}上的东西是什么？"),
}
_BY_COLOUR: Ways = {
    "en": ("What is {the}?", "What is {the} in the picture?"),
    "zh": ("{the}是什么？", "图中{the}是什么？"),
}
_AT_SIDE: Ways = {
    "en": ("What is {relation} {the}?",),
    "zh": ("{the}的{relation}是什么？", "{the}的{relation}有什么？"),
}
_OF_A_SORT: dict[str, Ways] = {
    "animal": {
        "en": ("What animal is in the picture?", "Which animal can you see?", "What animal is this?"),
        "zh": ("图中有什么动物？", "图里的动物是什么？", "这是什么动物？"),
    },
    "vehicle": {
        "en": ("What vehicle is in the picture?", "Which vehicle can you see?"),
        "zh": ("图中有什么交通工具？", "图里的交通工具是什么？"),
    },
    "food": {
        "en": ("What food is in the picture?", "What is there to eat in the picture?"),
        "zh": ("图中有什么吃的？", "图里的食物是什么？"),
    },
}


def ask_side(sight: Sight, language: Language, rng: random.Random, yes: bool) -> Draft | None:
    """Is one thing left or right of another, above or below it? or: is it there?"""
    pairs = list(permutations(sight.seen, 2))
    rng.shuffle(pairs)
    # Above and below can be asked less often: where they can, they come first half of the time.
    relations: list[Relation] = ["left of", "right of"]
    upright: list[Relation] = ["above", "below"]
    relations = [*upright, *relations] if rng.random() < 0.5 else [*relations, *upright]
    for axis in (relations[:2], relations[2:]):
        for first, second in pairs:
            told: Relation | None = next((r for r in axis if sight.clearly(first, r, second)), None)
            one = sight.only(first, rng) if told else None
            other = sight.only(second, rng) if one else None
            if told is None or one is None or other is None:
                continue
            names = the_one(language, one), the_one(language, other)
            end = "." if language.code == "en" else "。"
            so = f"{language.stands(names[0], told, names[1])}{end}"
            if rng.random() < 0.4:
                relation = language.relation(told if yes else _OPPOSITE[told])
                question = say(language, rng, _IS_BESIDE, first=names[0], second=names[1], relation=relation)
                return Draft(question, yes_or_no(language, yes), confirmed(language, yes, so))
            ways = _OVER if told in ("above", "below") else _BESIDE
            question = say(language, rng, ways, first=names[0], second=names[1])
            sides = _SIDES[language.code]
            return Draft(question, sides[told], capital(so), (sides[_OPPOSITE[told]],))
    return None


def ask_half(sight: Sight, language: Language, rng: random.Random, _yes: bool) -> Draft | None:
    """Which half of the picture is ... in? Of what does not reach across the middle."""
    sides = _SIDES[language.code]
    for thing in sight.shuffled(rng):
        side: Relation | None = "left of" if thing.box.x1 < 0.5 else "right of" if thing.box.x0 > 0.5 else None
        look = sight.only(thing, rng) if side else None
        if side is not None and look is not None:
            the = the_one(language, look)
            if language.code == "en":
                told = f"{the} is in the {sides[side]} half of the picture."
            else:
                told = f"{the}在图片的{sides[side]}。"
            question = say(language, rng, _HALF, the=the)
            return Draft(question, sides[side], capital(told), (sides[_OPPOSITE[side]],))
    return None


def ask_kind(sight: Sight, language: Language, rng: random.Random, _yes: bool) -> Draft | None:
    """What is there: on the table, of that colour, beside a thing, the one animal."""
    makers = [_ask_on_table, _ask_by_colour, _ask_at_side, _ask_sort]
    rng.shuffle(makers)
    for maker in makers:
        draft = maker(sight, language, rng)
        if draft is not None:
            return draft
    return None


def _ask_on_table(sight: Sight, language: Language, rng: random.Random) -> Draft | None:
    for table in sight.shuffled(rng):
        on = [thing for thing in sight.scene.things if thing.on == table.number]
        look = sight.only(table, rng) if len(on) == 1 and on[0] in sight.seen else None
        if look is not None:
            the = the_one(language, look)
            question = say(language, rng, _ON_TABLE, the=the)
            a = language.a(Look.at(on[0], "colour"))
            told = f"there is {a} on {the}." if language.code == "en" else f"{the}上有{a}。"
            return Draft(question, language.name(on[0].kind), capital(told), _other_kinds(sight, language, on[0]))
    return None


def _ask_by_colour(sight: Sight, language: Language, rng: random.Random) -> Draft | None:
    for thing in sight.shuffled(rng):
        look = sight.by_colour(thing)
        if look is not None:
            the, a = the_one(language, look), language.a(Look(thing.kind))
            told = f"{the} is {a}." if language.code == "en" else f"{the}是{a}。"
            question = say(language, rng, _BY_COLOUR, the=the)
            return Draft(question, language.name(thing.kind), capital(told), _other_kinds(sight, language, thing))
    return None


def _ask_at_side(sight: Sight, language: Language, rng: random.Random) -> Draft | None:
    """What lies to one side of a thing, where just one thing does and no other is nearly level with it."""
    if len(sight.seen) != len(sight.scene.things):
        return None
    for anchor in sight.shuffled(rng):
        others = [thing for thing in sight.seen if thing is not anchor]
        sides: tuple[Relation, Relation] = ("left of", "right of")
        found = {side: [thing for thing in others if sight.clearly(thing, side, anchor)] for side in sides}
        if len(others) != sum(map(len, found.values())):
            continue
        for side in rng.sample(sides, 2):
            look = sight.only(anchor, rng) if len(found[side]) == 1 else None
            if look is not None:
                (thing,) = found[side]
                the, a = the_one(language, look), language.a(Look.at(thing, "colour"))
                relation = language.relation(side)
                question = say(language, rng, _AT_SIDE, the=the, relation=relation)
                told = f"there is {a} {relation} {the}." if language.code == "en" else f"{the}的{relation}有{a}。"
                return Draft(question, language.name(thing.kind), capital(told), _other_kinds(sight, language, thing))
    return None


def _ask_sort(sight: Sight, language: Language, rng: random.Random) -> Draft | None:
    for sort in rng.sample(list(_OF_A_SORT), len(_OF_A_SORT)):
        things = [thing for thing in sight.scene.things if thing.about.supercategory == sort]
        if len(things) == 1 and things[0] in sight.seen:
            (thing,) = things
            a = language.a(Look.at(thing, "colour"))
            told = f"There is {a} in the picture." if language.code == "en" else f"图中有{a}。"
            wrong = tuple(language.name(k.name) for k in KINDS if k.supercategory == sort and k.name != thing.kind)
            return Draft(say(language, rng, _OF_A_SORT[sort]), language.name(thing.kind), told, wrong)
    return None


def _other_kinds(sight: Sight, language: Language, thing: Thing) -> tuple[str, ...]:
    """Names of kinds that go with the place: those there first, which a careless look would answer."""
    there = [other.kind for other in sight.scene.things]
    here = [kind.name for kind in KINDS if sight.scene.place in kind.places]
    return tuple(language.name(kind) for kind in dict.fromkeys([*there, *here]) if kind != thing.kind)
