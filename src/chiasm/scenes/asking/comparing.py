"""Questions about two pictures: which has a thing, which has more, which is at night."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from chiasm.scenes.asking.about_scenes import MOST_COUNTED
from chiasm.scenes.asking.question import Question
from chiasm.scenes.asking.sight import Sight
from chiasm.scenes.asking.wording import Ways, say
from chiasm.scenes.kinds import KINDS
from chiasm.scenes.scene import Scene
from chiasm.scenes.telling.language import Language, Look

_ANSWERS = {
    "en": {"first": "first", "second": "second", "both": "both", "neither": "neither"},
    "zh": {"first": "第一张", "second": "第二张", "both": "两张都有", "neither": "都没有"},
}
_WHICH: Mapping[tuple[bool | None, bool | None], str] = {
    (True, False): "first",
    (False, True): "second",
    (True, True): "both",
    (False, False): "neither",
}
_OF_ONE_COLOUR = ("traffic light", "stop sign", "orange")
_HAS: Ways = {
    "en": (
        "Which picture has {a}, the first or the second?",
        "In which picture is there {a}: the first or the second?",
        "Which of the two pictures shows {a}, the first or the second?",
    ),
    "zh": ("哪张图里有{bare}，第一张还是第二张？", "{bare}在第一张图里还是第二张图里？", "两张图中哪一张有{bare}？"),
}
_HAS_ANY: Ways = {
    "en": (
        "Which picture has {a}: the first, the second, both or neither?",
        "Is there {a} in the first picture, the second, both or neither?",
    ),
    "zh": (
        "哪张图里有{bare}：第一张、第二张、两张都有还是都没有？",
        "{bare}在哪张图里：第一张、第二张、两张都有还是都没有？",
    ),
}
_MORE: Ways = {
    "en": ("Which picture has more {names}, the first or the second?", "In which picture are there more {names}?"),
    "zh": ("哪张图里的{bare}更多，第一张还是第二张？", "两张图中哪一张的{bare}更多？"),
}
_SETTING: Ways = {
    "en": (
        "Which picture shows a scene {setting}, the first or the second?",
        "Which of the two pictures was taken {setting}?",
    ),
    "zh": ("哪张图是{setting}，第一张还是第二张？", "两张图中哪一张是{setting}？"),
}


def compare(first: Scene, second: Scene, language: Language, rng: random.Random) -> Question | None:
    """A question about both pictures, answered by "first" or "second", now and then by "both" or "neither"."""
    makers = [_which_has, _which_has, _which_has_more, _which_setting]
    sights = (Sight.of(first), Sight.of(second))
    for maker in rng.sample(makers, len(makers)):
        question = maker(sights, language, rng)
        if question is not None:
            return question
    return None


def which_has(first: Scene, second: Scene, language: Language, rng: random.Random) -> tuple[Question, ...]:
    """Which has a dog: for every kind of thing that only one of the pictures shows, in any order."""
    sights = (Sight.of(first), Sight.of(second))
    kinds = _kinds(sights)
    rng.shuffle(kinds)
    found: list[Question] = []
    for look in map(Look, kinds):
        answer = _WHICH.get((_shown(sights[0], look), _shown(sights[1], look)))
        if answer in ("first", "second"):
            found.append(_asked_which(look, answer, _HAS, language, rng))
    return tuple(found)


def _which_has(sights: tuple[Sight, Sight], language: Language, rng: random.Random) -> Question | None:
    any_answer = rng.random() < 0.4
    weights = {"first": 4, "second": 4, **({"both": 4, "neither": 2} if any_answer else {})}
    found: dict[str, list[Look]] = {answer: [] for answer in weights}
    for look in [*_looks(sights), *(_missing(sights) if "neither" in found else ())]:
        answer = _WHICH.get((_shown(sights[0], look), _shown(sights[1], look)))
        if answer in found:
            found[answer].append(look)
    possible = [answer for answer, looks in found.items() if looks]
    if not possible:
        return None
    answer = rng.choices(possible, [weights[answer] for answer in possible])[0]
    return _asked_which(rng.choice(found[answer]), answer, _HAS_ANY if any_answer else _HAS, language, rng)


def _asked_which(look: Look, answer: str, ways: Ways, language: Language, rng: random.Random) -> Question:
    question = say(language, rng, ways, a=language.a(look), bare=language.several(look, None))
    return _answered(question, answer, language)


def _which_has_more(sights: tuple[Sight, Sight], language: Language, rng: random.Random) -> Question | None:
    found: list[tuple[Look, str]] = []
    for kind in _kinds(sights):
        one, other = (len(sight.scene.of_kind(kind)) for sight in sights)
        countable = min(one, other) > 0 and max(one, other) <= MOST_COUNTED and one != other
        if countable and all(sight.all_seen(kind) for sight in sights):
            found.append((Look(kind), "first" if one > other else "second"))
    if not found:
        return None
    look, answer = rng.choice(found)
    bare = language.several(look, None)
    return _answered(say(language, rng, _MORE, names=bare, bare=bare), answer, language)


def _which_setting(sights: tuple[Sight, Sight], language: Language, rng: random.Random) -> Question | None:
    one, other = (sight.scene for sight in sights)
    words = language.words()
    settings: list[tuple[str, str]] = []
    if one.place != other.place:
        told = rng.choice((one, other))
        place = language.place(told.place) if language.code == "en" else words[told.place]
        settings.append((place, "first" if told is one else "second"))
    if one.time != other.time and not (one.inside or other.inside):
        told = rng.choice((one, other))
        time = {"day": "by day", "night": "at night"}[told.time] if language.code == "en" else words[told.time]
        settings.append((time, "first" if told is one else "second"))
    for told, rest in ((one, other), (other, one)):
        if told.weather in ("rainy", "snowy") and rest.weather != told.weather:
            weather = {"rainy": "in the rain", "snowy": "in the snow"}[told.weather]
            settings.append(
                (weather if language.code == "en" else words[told.weather], "first" if told is one else "second")
            )
    if not settings:
        return None
    setting, answer = rng.choice(settings)
    return _answered(say(language, rng, _SETTING, setting=setting), answer, language)


def _kinds(sights: Sequence[Sight]) -> list[str]:
    """Kinds seen in either picture, or in both."""
    return list(dict.fromkeys(thing.kind for sight in sights for thing in sight.seen))


def _looks(sights: Sequence[Sight]) -> list[Look]:
    """Kinds, and kinds with a colour, seen in either picture."""
    coloured = dict.fromkeys(
        Look(thing.kind, thing.colour) for sight in sights for thing in sight.seen if thing.kind not in _OF_ONE_COLOUR
    )
    return [*map(Look, _kinds(sights)), *coloured]


def _missing(sights: Sequence[Sight]) -> list[Look]:
    """Kinds that are in neither, and could be."""
    there, places = _kinds(sights), {sight.scene.place for sight in sights}
    return [Look(kind.name) for kind in KINDS if kind.name not in there and places.intersection(kind.places)]


def _shown(sight: Sight, look: Look) -> bool | None:
    """Whether it is in the picture; None where that could be doubted."""
    alike = [thing for thing in sight.scene.things if thing.kind == look.kind]
    fitting = [thing for thing in alike if look.colour in (None, thing.colour)]
    if fitting:
        # By identity: comparing all that is known of a thing takes a while.
        return True if any(thing is seen for thing in fitting for seen in sight.seen) else None
    return False if alike or sight.could_deny(str(look.kind)) else None


def _answered(question: str, answer: str, language: Language) -> Question:
    return Question("compare", question, _ANSWERS[language.code][answer], "short")
