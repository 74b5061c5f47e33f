"""Questions about two pictures: which has a thing, which has more, which is at night; and what sets them apart."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from chiasm.scenes.asking.about_scenes import MOST_COUNTED
from chiasm.scenes.asking.question import Question
from chiasm.scenes.asking.sight import Sight
from chiasm.scenes.asking.wording import Draft, Ways, capital, listed, say
from chiasm.scenes.kinds import KINDS
from chiasm.scenes.scene import Scene
from chiasm.scenes.telling.language import Language, Look
from chiasm.scenes.telling.settings import a_place, when

_ANSWERS: Mapping[str, Mapping[str, str]] = {
    "en": {"first": "first", "second": "second", "both": "both", "neither": "neither"},
    "zh": {"first": "第一张", "second": "第二张", "both": "两张都有", "neither": "都没有"},
}
_WHICH: Mapping[tuple[bool | None, bool | None], str] = {
    (True, False): "first",
    (False, True): "second",
    (True, True): "both",
    (False, False): "neither",
}
_HAVE: Mapping[str, Mapping[str, str]] = {
    "en": {
        "first": "The first picture has {a}.",
        "second": "The second picture has {a}.",
        "both": "Both pictures have {a}.",
        "neither": "Neither picture has {a}.",
    },
    "zh": {
        "first": "第一张图里有{bare}。",
        "second": "第二张图里有{bare}。",
        "both": "两张图里都有{bare}。",
        "neither": "两张图里都没有{bare}。",
    },
}
_HAVE_MORE = {"en": "The {which} picture has more {names}.", "zh": "{which}图里的{bare}更多。"}
_IS_SET = {"en": "The {which} picture shows a scene {setting}.", "zh": "{which}图是{setting}。"}
_SETTINGS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "same": "Both pictures show {one}.",
        "different": "The first picture shows {one}, the second {other}.",
    },
    "zh": {"same": "两张图都是{one}。", "different": "第一张图是{one}，第二张图是{other}。"},
}
_SHARED: Mapping[str, Mapping[str, str]] = {
    "en": {"some": "Both have {all}.", "none": "Nothing is in both of them."},
    "zh": {"some": "两张图里都有{all}。", "none": "两张图里没有相同的东西。"},
}
_ONLY: Mapping[str, Mapping[str, str]] = {
    "en": {"first": "only the first has ", "second": "only the second has "},
    "zh": {"first": "只有第一张图里有", "second": "只有第二张图里有"},
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
    draft = compare_draft(first, second, language, rng)
    return draft and _question(draft)


def compare_draft(first: Scene, second: Scene, language: Language, rng: random.Random) -> Draft | None:
    """The same with its answer as a sentence, too."""
    makers = [_which_has, _which_has, _which_has_more, _which_setting]
    sights = (Sight.of(first), Sight.of(second))
    for maker in rng.sample(makers, len(makers)):
        draft = maker(sights, language, rng)
        if draft is not None:
            return draft
    return None


def told_apart(first: Scene, second: Scene, language: Language) -> str:
    """Where and when two pictures are, what kinds of things both show, and what only one does; the nearest first."""
    code, sights = language.code, (Sight.of(first), Sight.of(second))
    told: dict[str, list[str]] = {}
    for look in map(Look, dict.fromkeys(thing.kind for sight in sights for thing in sight.seen[::-1])):
        answer = _WHICH.get((_shown(sights[0], look), _shown(sights[1], look)))
        if answer is not None:
            told.setdefault(answer, []).append(language.a(look) if code == "en" else language.several(look, None))
    one, other = (_told_setting(scene, language) for scene in (first, second))
    same = _SETTINGS[code]["same" if one == other else "different"].format(one=one, other=other)
    parts = [_ONLY[code][which] + listed(language, told[which]) for which in ("first", "second") if which in told]
    if "both" in told:
        shared = _SHARED[code]["some"].format(all=listed(language, told["both"]))
    else:
        alike = first.place == second.place or {t.kind for t in first.things} & {t.kind for t in second.things}
        shared = "" if alike else _SHARED[code]["none"]
    if code == "zh":
        return same + shared + ("，".join(parts) + "。" if parts else "")
    return " ".join(filter(None, (same, shared, capital("; ".join(parts) + ".") if parts else "")))


def which_has(first: Scene, second: Scene, language: Language, rng: random.Random) -> tuple[Question, ...]:
    """Which has a dog: for every kind of thing that only one of the pictures shows, in any order."""
    sights = (Sight.of(first), Sight.of(second))
    kinds = _kinds(sights)
    rng.shuffle(kinds)
    found: list[Question] = []
    for look in map(Look, kinds):
        answer = _WHICH.get((_shown(sights[0], look), _shown(sights[1], look)))
        if answer in ("first", "second"):
            found.append(_question(_asked_which(look, answer, _HAS, language, rng)))
    return tuple(found)


def _which_has(sights: tuple[Sight, Sight], language: Language, rng: random.Random) -> Draft | None:
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


def _asked_which(look: Look, answer: str, ways: Ways, language: Language, rng: random.Random) -> Draft:
    a, bare = language.a(look), language.several(look, None)
    sentence = _HAVE[language.code][answer].format(a=a, bare=bare)
    return Draft(say(language, rng, ways, a=a, bare=bare), _ANSWERS[language.code][answer], sentence)


def _which_has_more(sights: tuple[Sight, Sight], language: Language, rng: random.Random) -> Draft | None:
    found: list[tuple[Look, str]] = []
    for kind in _kinds(sights):
        one, other = (len(sight.scene.of_kind(kind)) for sight in sights)
        countable = min(one, other) > 0 and max(one, other) <= MOST_COUNTED and one != other
        if countable and all(sight.all_seen(kind) for sight in sights):
            found.append((Look(kind), "first" if one > other else "second"))
    if not found:
        return None
    look, which = rng.choice(found)
    bare, answer = language.several(look, None), _ANSWERS[language.code][which]
    sentence = _HAVE_MORE[language.code].format(which=answer, names=bare, bare=bare)
    return Draft(say(language, rng, _MORE, names=bare, bare=bare), answer, sentence)


def _which_setting(sights: tuple[Sight, Sight], language: Language, rng: random.Random) -> Draft | None:
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
    setting, which = rng.choice(settings)
    answer = _ANSWERS[language.code][which]
    sentence = _IS_SET[language.code].format(which=answer, setting=setting)
    return Draft(say(language, rng, _SETTING, setting=setting), answer, sentence)


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


def _told_setting(scene: Scene, language: Language) -> str:
    """`a park on a sunny day`; 晴天的公园, 多云夜晚的公园."""
    place, time = a_place(scene, language), when(scene, language)
    if language.code == "en":
        return f"{place} {time}".rstrip()
    return f"{time.replace('的', '')}的{place}" if time else place


def _question(draft: Draft) -> Question:
    return Question("compare", draft.question, draft.answer, "short")
