"""Questions that need a thought, with their answers: why, what next, is it safe. From the scene graph alone.

A case holds where its condition does; its words are in `reasons_english` and `reasons_chinese` under the same name,
with a slot for every thing the condition found. Nothing is claimed that the scene does not show or plainly imply.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from chiasm.scenes.kinds import PLACES
from chiasm.scenes.scene import Scene, Thing
from chiasm.scenes.telling.choosing import held, look_of, name_alone, zone
from chiasm.scenes.telling.language import Language
from chiasm.scenes.telling.nouns import capitals, listed
from chiasm.scenes.telling.reason import Reason
from chiasm.scenes.telling.reasons_chinese import CHINESE_REASONS, CHINESE_SIGNS
from chiasm.scenes.telling.reasons_english import ENGLISH_REASONS, ENGLISH_SIGNS

Slots = Mapping[str, Thing | tuple[Thing, ...]]
Find = Callable[["_Facts"], Slots | None]
"""The things a case speaks of; None where it does not hold."""

_REASONS: Mapping[str, Mapping[str, Reason]] = {"en": ENGLISH_REASONS, "zh": CHINESE_REASONS}
_SIGNS: Mapping[str, Mapping[str, str]] = {"en": ENGLISH_SIGNS, "zh": CHINESE_SIGNS}
_MOTORS = ("car", "bus", "truck")
_FOOD = ("apple", "banana", "orange", "cake")
_SEATS = ("couch", "chair", "bench")
_ENOUGH = 3  # cases; ours
_LATE = ("10", "11", "12", "1", "2", "3")


@dataclass(frozen=True, slots=True)
class _Facts:
    """What the conditions ask of a scene."""

    scene: Scene
    day: bool
    dry: bool
    """Outside without rain or snow."""

    def first(self, *kinds: str, **fields: str) -> Thing | None:
        """The nearest thing of one of `kinds` with these fields."""
        for thing in reversed(self.scene.things):
            if thing.kind in kinds and all(getattr(thing, name) == value for name, value in fields.items()):
                return thing
        return None

    def slots(self, **things: Thing | None) -> Slots | None:
        """All of them, or None where one is missing."""
        found = {slot: thing for slot, thing in things.items() if thing is not None}
        return found if len(found) == len(things) else None


def reasons(scene: Scene, language: Language, rng: random.Random) -> tuple[tuple[str, str], ...]:
    """(question, answer) pairs, one for every case that holds, in random order; answers have two to four sentences.

    What holds in every such place is left out where things give enough to think about. Never empty.
    """
    told = _REASONS[language.code]
    found = holding(scene)
    special = [name for name in found if name not in _GENERAL]
    kept = special if len(special) >= _ENOUGH else list(found)
    rng.shuffle(kept)
    return tuple(_worded(scene, told[name], found[name], language, rng) for name in kept)


def holding(scene: Scene) -> dict[str, Slots]:
    """The cases that hold in `scene`, by name, each with the things it speaks of."""
    facts = _Facts(scene, day=scene.time == "day", dry=scene.weather in ("sunny", "cloudy"))
    tried = {name: find(facts) for name, find in _CASES.items()}
    return {name: slots for name, slots in tried.items() if slots is not None}


def _worded(scene: Scene, reason: Reason, slots: Slots, language: Language, rng: random.Random) -> tuple[str, str]:
    words = {}
    for slot, found in slots.items():
        if isinstance(found, tuple):
            words[slot] = listed(language, [language.a(look_of(thing, 1)) for thing in found])
            continue
        words[slot] = _pointed_at(scene, found, language)
        words[f"a_{slot}"] = language.a(look_of(found, 1))
        if found.text is not None:
            words["text"] = found.text
            words["meaning"] = _SIGNS[language.code].get(found.text, "")
        if found.kind == "clock" and found.state is not None:
            words["hour"] = language.words()[found.state]
            words["next"] = language.words()[str(int(found.state) % 12 + 1)]
    gap = " " if language.code == "en" else ""
    question = rng.choice(reason.questions).format(**words)
    answer = gap.join(rng.choice(ways) for ways in reason.answer).format(**words)
    return capitals(question), capitals(answer)


def _pointed_at(scene: Scene, thing: Thing, language: Language) -> str:
    """`the dog`; 这只狗."""
    look = name_alone(scene, thing) or look_of(thing, 3)
    return language.the(look) if language.code == "en" else f"这{language.a(look).removeprefix('一')}"


def _umbrella(state: str, *weathers: str, day: bool = False) -> Find:
    def find(facts: _Facts) -> Slots | None:
        if facts.scene.weather not in weathers or (day and not facts.day):
            return None
        umbrella = facts.first("umbrella", state=state)
        if umbrella is None or (state == "open" and umbrella.held_by is None and not day):
            return None
        return {"umbrella": umbrella}

    return find


def _light(state: str, *kinds: str) -> Find:
    def find(facts: _Facts) -> Slots | None:
        return facts.slots(light=facts.first("traffic light", state=state), it=facts.first(*kinds))

    return find


def _in_weather(*weathers: str, day: bool | None = None) -> Find:
    def find(facts: _Facts) -> Slots | None:
        if facts.scene.weather not in weathers or (day is not None and facts.day != day):
            return None
        return {}

    return find


def _at(place: str) -> Find:
    return lambda facts: {} if facts.scene.place == place else None


def _lamp(state: str, day: bool) -> Find:
    def find(facts: _Facts) -> Slots | None:
        return facts.slots(lamp=facts.first("lamp", state=state)) if facts.day == day else None

    return find


def _pair(first: str, second: str, *, outside: bool = False, **fields: str) -> Find:
    """A thing of each kind; `fields` are the first's."""

    def find(facts: _Facts) -> Slots | None:
        if outside and facts.scene.inside:
            return None
        return facts.slots(it=facts.first(first, **fields), other=facts.first(second))

    return find


def _one(*kinds: str, **fields: str) -> Find:
    def find(facts: _Facts) -> Slots | None:
        return facts.slots(it=facts.first(*kinds, **fields))

    return find


def _only_if(condition: Callable[[_Facts], bool], find: Find) -> Find:
    def both(facts: _Facts) -> Slots | None:
        return find(facts) if condition(facts) else None

    return both


def _holder(kind: str, *actions: str) -> Find:
    def find(facts: _Facts) -> Slots | None:
        for person in facts.scene.of_kind("person"):
            carried = held(facts.scene, person)
            if carried is not None and carried.kind == kind and (not actions or person.action in actions):
                return {"it": person, "other": carried}
        return None

    return find


def _food(facts: _Facts) -> Slots | None:
    food = tuple(thing for thing in facts.scene.from_left() if thing.kind in _FOOD)
    return {"food": food} if food else None


def _sign(facts: _Facts) -> Slots | None:
    sign = facts.first("sign")
    return {"it": sign} if sign is not None and sign.text in ENGLISH_SIGNS else None


def _tv(facts: _Facts) -> Slots | None:
    screen = facts.first("tv", state="on")
    return {"it": screen} if screen is not None and screen.text is not None else None


def _clock(facts: _Facts, late: bool) -> Slots | None:
    clock = facts.first("clock")
    if clock is None or late != (not facts.day and clock.state in _LATE):
        return None
    return {"it": clock}


def _without(*kinds: str) -> Callable[[_Facts], bool]:
    return lambda facts: facts.first(*kinds) is None


def _wet(facts: _Facts) -> bool:
    return facts.scene.weather in ("rainy", "snowy")


def _dark_outside(facts: _Facts) -> bool:
    return not facts.day and not facts.scene.inside


def _aloft(facts: _Facts) -> bool:
    balloon = facts.first("balloon")
    return balloon is not None and zone(facts.scene, balloon) == "sky" and not facts.scene.inside


_GENERAL = (*PLACES, "reading by day", "reading in the dark", "how one knows it is night", "warm", "cloudy")
"""Cases that need no thing: they hold all the time."""

_CASES: Mapping[str, Find] = {
    "umbrella in the rain": _umbrella("open", "rainy"),
    "umbrella in the snow": _umbrella("open", "snowy"),
    "umbrella in the sun": _umbrella("open", "sunny", day=True),
    "umbrella not needed": _umbrella("closed", "sunny", "cloudy"),
    "umbrella should be open": _umbrella("closed", "rainy"),
    "umbrella inside": _only_if(
        lambda facts: facts.scene.inside, lambda facts: facts.slots(umbrella=facts.first("umbrella"))
    ),
    "red light": _light("red", *_MOTORS, "bicycle"),
    "yellow light": _light("yellow", *_MOTORS, "bicycle"),
    "green light": _light("green", *_MOTORS, "bicycle"),
    "crossing at red": _light("red", "person"),
    "crossing at green": _light("green", "person"),
    "crossing without a light": _only_if(
        lambda facts: facts.scene.place == "street" and facts.first("person") is not None,
        _only_if(_without("traffic light"), _one(*_MOTORS)),
    ),
    "stop sign": _only_if(
        _without("traffic light"),
        lambda facts: facts.slots(sign=facts.first("stop sign"), it=facts.first(*_MOTORS, "bicycle")),
    ),
    "cold": _in_weather("snowy"),
    "warm": _in_weather("sunny", day=True),
    "wet": _in_weather("rainy"),
    "reading in the dark": _only_if(
        lambda facts: _dark_outside(facts) and facts.first("lamp", state="lit") is None, lambda facts: {}
    ),
    "reading by the lamp": _lamp("lit", day=False),
    "reading by day": _only_if(lambda facts: facts.dry and facts.day, lambda facts: {}),
    "reading in the rain": _in_weather("rainy", day=True),
    "lamp at night": _lamp("lit", day=False),
    "lamp off by day": _lamp("unlit", day=True),
    "lamp on by day": _lamp("lit", day=True),
    "lamp off at night": _lamp("unlit", day=False),
    "food": _food,
    "drink": _one("cup"),
    "seat": _only_if(lambda facts: not _wet(facts), _one(*_SEATS)),
    "wet seat": _only_if(_wet, _one("bench")),
    "candle lit": _one("cake", state="lit"),
    "candle out": _one("cake", state="unlit"),
    "clock": lambda facts: _clock(facts, late=False),
    "late": lambda facts: _clock(facts, late=True),
    "tv on": _tv,
    "tv off": _one("tv", state="off"),
    "laptop on": _one("laptop", state="on"),
    "boat": _one("boat"),
    "kite held": _holder("kite"),
    "balloon held": _holder("balloon"),
    "balloon aloft": _only_if(_aloft, _one("balloon")),
    "bird and dog": _pair("bird", "dog", action="flying"),
    "cat and bird": _pair("bird", "cat", action="standing"),
    "dog and ball": _pair("dog", "sports ball"),
    "person and dog": _pair("dog", "person", outside=True),
    "traveller": _holder("suitcase"),
    "grazing": _one("sheep", "cow", action="eating"),
    "fire hydrant": _one("fire hydrant"),
    "flower in the rain": _only_if(lambda facts: facts.scene.weather == "rainy", _one("flower", "tree")),
    "plant inside": _one("potted plant"),
    "snow play": _only_if(
        lambda facts: facts.scene.weather == "snowy" and facts.day and facts.scene.place != "street", _one("person")
    ),
    "sign": _sign,
    "animal on the street": _only_if(
        lambda facts: facts.scene.place == "street" and facts.first(*_MOTORS) is not None, _one("dog", "cat")
    ),
    "sitting": _one("person", action="sitting"),
    "running in the rain": _only_if(lambda facts: facts.scene.weather == "rainy", _one("person", action="running")),
    "running": _only_if(lambda facts: not _wet(facts), _one("person", action="running")),
    "waving": _one("person", action="waving"),
    "bus carries more": lambda facts: facts.slots(it=facts.first("bus"), other=facts.first("car", "bicycle")),
    "how one knows it is night": _only_if(_dark_outside, lambda facts: {}),
    "ride": _pair("bicycle", "person"),
    "shelter": _only_if(
        lambda facts: facts.scene.weather == "rainy" and facts.first("person") is not None, _one("house")
    ),
    "teddy bear": _one("teddy bear"),
    "book held": _holder("book"),
    "airplane": _one("airplane"),
    **{place: _at(place) for place in PLACES},
    "night inside": _only_if(lambda facts: facts.scene.inside and not facts.day, lambda facts: {}),
    "cloudy": _in_weather("cloudy", day=True),
}
"""By name, in a fixed order."""
