"""Questions about one thing: its colour, action, size, facing, what a person holds and wears, what is written on it."""

from __future__ import annotations

import random

from chiasm.scenes.asking.sight import Sight
from chiasm.scenes.asking.wording import Draft, Ways, capital, confirmed, other_colours, say, the_one, yes_or_no
from chiasm.scenes.kinds import BY_NAME, COLOURS, HATS, KINDS, SHIRTS, TROUSERS
from chiasm.scenes.scene import Thing
from chiasm.scenes.telling.language import Language, Look

_OF_ONE_COLOUR = ("traffic light", "stop sign", "orange", "person")
_COLOUR: Ways = {
    "en": ("What colour is {the}?", "What color is {the}?", "What is the colour of {the}?"),
    "zh": ("{the}是什么颜色的？", "{the}是什么颜色？", "{the}的颜色是什么？"),
}
_IS_COLOUR: Ways = {"en": ("{the} is {colour}.",), "zh": ("{the}是{colour}的。",)}
_PART: Ways = {
    "en": (
        "What colour is the {part} of {the}?",
        "What color is the {part} of {the}?",
        "What is the colour of the {part} of {the}?",
    ),
    "zh": ("{the}的{part}是什么颜色的？", "{the}的{part}是什么颜色？"),
}
_WEARS: Ways = {
    "en": ("What colour {is_are} the {part} that {the} is wearing?", "What color {is_are} the {part} of {the}?"),
    "zh": ("{the}穿的{part}是什么颜色的？", "{the}的{part}是什么颜色的？", "{the}穿着什么颜色的{part}？"),
}
_WEARS_HAT: Ways = {
    "en": ("What colour is the hat of {the}?", "What color is the hat that {the} is wearing?"),
    "zh": ("{the}戴着什么颜色的帽子？", "{the}的帽子是什么颜色的？"),
}
_HAS_HAT: Ways = {
    "en": ("Is {the} wearing a hat?", "Does {the} wear a hat?"),
    "zh": ("{the}是不是戴着帽子？", "{the}是戴着帽子的吗？"),
}
_DOES: Ways = {
    "en": ("What is {the} doing?", "What is {the} doing in the picture?"),
    "zh": ("{the}在做什么？", "{the}正在做什么？", "{the}在干什么？"),
}
_IS_DOING: Ways = {"en": ("Is {the} {doing}?",), "zh": ("{the}是不是{doing}？", "{the}{doing}吗？")}
_FACES: Ways = {
    "en": ("Which way is {the} facing?", "Is {the} facing left or right?", "In which direction does {the} face?"),
    "zh": ("{the}朝向哪边？", "{the}朝向左边还是右边？", "{the}朝左边还是朝右边？"),
}
_DOES_FACE: Ways = {"en": ("Is {the} facing {side}?",), "zh": ("{the}是不是朝向{side}？",)}
_SIZE: Ways = {
    "en": ("Is {the} large or small?", "Is {the} small or large?", "What size is {the}?"),
    "zh": ("{the}是大的还是小的？", "{the}是大还是小？"),
}
_HOLDS: Ways = {
    "en": ("What is {the} holding?", "What does {the} hold?", "What does {the} have in one hand?"),
    "zh": ("{the}手里拿着什么？", "{the}拿着什么？", "{the}手里的东西是什么？"),
}
_DOES_HOLD: Ways = {
    "en": ("Is {the} holding {a}?", "Does {the} hold {a}?"),
    "zh": ("{the}手里是不是拿着{a}？", "{the}拿着的是{a}吗？"),
}
_READS: Ways = {
    "en": ("What does {the} say?", "What is written on {the}?", "What can you read on {the}?"),
    "zh": ("{the}上写着什么？", "{the}上写了什么？", "{the}上的字是什么？"),
}
_NUMBER: Ways = {
    "en": ("What number is on {the}?", "Which number can you read on {the}?"),
    "zh": ("{the}上的数字是什么？", "{the}上写着什么数字？"),
}
_SHOWS: Ways = {
    "en": ("What does {the} show?", "What is written on the screen of {the}?", "What can you read on {the}?"),
    "zh": ("{the}上显示着什么？", "{the}的屏幕上写着什么？", "{the}上显示的字是什么？"),
}


def ask_colour(sight: Sight, language: Language, rng: random.Random, _yes: bool) -> Draft | None:
    """What colour is ...?"""
    for thing in sight.shuffled(rng):
        look = None if thing.kind in _OF_ONE_COLOUR else sight.only(thing, rng, hide=("colour",))
        if look is None:
            continue
        the, colour = the_one(language, look), language.colour(thing.colour)
        wrong = other_colours(language, (*BY_NAME[thing.kind].colours, *rng.sample(COLOURS, 3)), thing.colour)
        if thing.kind == "potted plant":
            part = "pot" if language.code == "en" else "花盆"
            question = say(language, rng, _PART, the=the, part=part)
            return Draft(question, colour, _part_is(language, the, part, colour), wrong)
        question = say(language, rng, _COLOUR, the=the)
        return Draft(question, colour, say(language, rng, _IS_COLOUR, the=the, colour=colour), wrong)
    return None


def ask_wears(sight: Sight, language: Language, rng: random.Random, yes: bool) -> Draft | None:
    """The colour of shirt, trousers or hat, and whether there is a hat."""
    form = rng.choice(("shirt", "trousers", "trousers", "hat", "hat", "bare"))
    for person in _people(sight, rng):
        clothes = person.clothes
        if clothes is None or (form == "hat" and clothes.hat is None):
            continue
        if form == "bare" and (clothes.hat is not None) != yes:
            continue
        look = sight.only(person, rng, hide=("colour",) if form == "shirt" else ())
        if look is None:
            continue
        the = the_one(language, look)
        if form == "bare":
            said = {"en": "{the} is {no}wearing a hat.", "zh": "{the}{no}戴着帽子。" if yes else "{the}没有戴帽子。"}
            no = "" if yes else "not "
            answer = yes_or_no(language, yes)
            told = said[language.code].format(the=the, no=no if language.code == "en" else "")
            return Draft(say(language, rng, _HAS_HAT, the=the), answer, confirmed(language, yes, told))
        if form == "hat" and clothes.hat is not None:
            question = say(language, rng, _WEARS_HAT, the=the)
            part, colour = ("hat" if language.code == "en" else "帽子"), clothes.hat
            possible: tuple[str, ...] = HATS
        else:
            shirt = form == "shirt"
            colour, possible = (person.colour, SHIRTS) if shirt else (clothes.trousers, TROUSERS)
            part = {"en": ("trousers", "shirt"), "zh": ("裤子", "上衣")}[language.code][shirt]
            question = say(language, rng, _WEARS, the=the, part=part, is_are="is" if shirt else "are")
        told = _part_is(language, the, part, language.colour(colour))
        return Draft(question, language.colour(colour), told, other_colours(language, possible, colour))
    return None


def ask_action(sight: Sight, language: Language, rng: random.Random, yes: bool) -> Draft | None:
    """What is ... doing? or: is it doing that?"""
    words = language.words()
    for thing in sight.shuffled(rng):
        actions = BY_NAME[thing.kind].actions
        look = sight.only(thing, rng, hide=("action",)) if thing.action is not None else None
        if look is None or thing.action is None:
            continue
        the, doing = the_one(language, look), language.doing(thing.action, None)
        is_doing = f"{the} is {doing}." if language.code == "en" else f"{the}{_now(doing)}。"
        if rng.random() < 0.3:
            other = thing.action if yes else rng.choice([action for action in actions if action != thing.action])
            asked = _now(language.doing(other, None)) if language.code == "zh" else language.doing(other, None)
            question = say(language, rng, _IS_DOING, the=the, doing=asked)
            told = confirmed(language, yes, is_doing)
            return Draft(question, yes_or_no(language, yes), told)
        wrong = tuple(words[action] for action in actions if action != thing.action)
        return Draft(say(language, rng, _DOES, the=the), words[thing.action], capital(is_doing), wrong)
    return None


def ask_facing(sight: Sight, language: Language, rng: random.Random, yes: bool) -> Draft | None:
    """Which way is ... facing?"""
    words = language.words()
    for thing in sight.shuffled(rng):
        look = sight.only(thing, rng, hide=("facing",)) if thing.facing is not None else None
        if look is None or thing.facing is None:
            continue
        the, side = the_one(language, look), words[thing.facing]
        other = words["left" if thing.facing == "right" else "right"]
        told = f"{the} is facing {side}." if language.code == "en" else f"{the}朝向{side}。"
        if rng.random() < 0.25:
            question = say(language, rng, _DOES_FACE, the=the, side=side if yes else other)
            return Draft(question, yes_or_no(language, yes), confirmed(language, yes, told))
        return Draft(say(language, rng, _FACES, the=the), side, capital(told), (other,))
    return None


def ask_size(sight: Sight, language: Language, rng: random.Random, _yes: bool) -> Draft | None:
    """Is ... large or small?"""
    if len(sight.scene.things) == 1:
        return None  # a close-up: all is large there
    words = language.words()
    for thing in sight.shuffled(rng):
        look = sight.only(thing, rng, hide=("size",)) if thing.size is not None else None
        if look is None or thing.size is None:
            continue
        the, size = the_one(language, look), words[thing.size]
        other = words["small" if thing.size == "large" else "large"]
        told = f"{the} is {size}." if language.code == "en" else f"{the}是{size}的。"
        return Draft(say(language, rng, _SIZE, the=the), size, capital(told), (other,))
    return None


def ask_holds(sight: Sight, language: Language, rng: random.Random, yes: bool) -> Draft | None:
    """What is the person holding? or: is it that?"""
    for person in _people(sight, rng):
        if person.holds is None:
            continue
        look = sight.only(person, rng)
        held = sight.scene.things[person.holds]
        if look is None or held not in sight.seen:
            continue
        the = the_one(language, look)
        a_held = Look.at(held, "colour", *(("state",) if held.kind == "umbrella" else ()))
        told = (
            f"{the} is {language.holding(a_held)}." if language.code == "en" else f"{the}{language.holding(a_held)}。"
        )
        possible = _also_held(held.kind, sight.scene.place)
        if rng.random() < 0.3:
            kind = held.kind if yes else rng.choice(possible)
            question = say(language, rng, _DOES_HOLD, the=the, a=language.a(Look(kind)))
            return Draft(question, yes_or_no(language, yes), confirmed(language, yes, told))
        wrong = tuple(language.name(kind) for kind in possible)
        return Draft(say(language, rng, _HOLDS, the=the), language.name(held.kind), capital(told), wrong)
    return None


def ask_read(sight: Sight, language: Language, rng: random.Random, _yes: bool) -> Draft | None:
    """What is written on ...?"""
    for thing in sight.shuffled(rng):
        look = sight.only(thing, rng) if thing.text else None
        if look is None or not thing.text:
            continue
        the = the_one(language, look)
        if thing.kind == "tv":
            ways = _SHOWS
        else:
            ways = _NUMBER if thing.text.isdigit() and rng.random() < 0.6 else _READS
        if language.code == "en":
            told = f'{the} {"shows" if thing.kind == "tv" else "says"} "{thing.text}".'
        else:
            told = f"{the}上{'显示' if thing.kind == 'tv' else '写'}着“{thing.text}”。"
        return Draft(say(language, rng, ways, the=the), thing.text, capital(told))
    return None


def _people(sight: Sight, rng: random.Random) -> list[Thing]:
    return [thing for thing in sight.shuffled(rng) if thing.kind == "person"]


def _also_held(kind: str, place: str) -> list[str]:
    """What else one could hold, first of all there."""
    kinds = sorted((k for k in KINDS if "held" in k.zones and k.name != kind), key=lambda k: place not in k.places)
    return [k.name for k in kinds[:6]]


def _part_is(language: Language, the: str, part: str, colour: str) -> str:
    if language.code == "zh":
        return f"{the}的{part}是{colour}的。"
    return f"The {part} of {the} {'are' if part == 'trousers' else 'is'} {colour}."


def _now(doing: str) -> str:
    """正在 where nothing else says that it goes on: 正在挥手, but 站着."""
    return doing if doing.endswith("着") else f"正在{doing}"
