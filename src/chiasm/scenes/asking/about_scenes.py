"""Questions about a whole scene: what is there and what not, how many, which place, what time, what weather."""

from __future__ import annotations

import random
from collections.abc import Sequence

from chiasm.scenes.asking.sight import Sight
from chiasm.scenes.asking.wording import Draft, Ways, capital, confirmed, say, the_one, there_is, yes_or_no
from chiasm.scenes.kinds import BY_NAME, PLACES, WEATHERS
from chiasm.scenes.scene import Thing
from chiasm.scenes.telling.language import Language, Look

MOST_COUNTED = 5
_TOGETHER = 0.3
"""How often things of several kinds are counted together, where there are any."""
_ONE_LEFT_OUT = 0.65
"""How often nothing is counted where there is one of each: else "1" would nearly always be right."""
_IS_THERE: Ways = {
    "en": (
        "Is there {a}?",
        "Is there {a} in the image?",
        "Is there {a} in the picture?",
        "Can you see {a}?",
        "Does the picture show {a}?",
    ),
    "zh": (
        "图中有{bare}吗？",
        "图里有没有{bare}？",
        "图片里有{bare}吗？",
        "画面中有没有{bare}？",
        "这张图里有{bare}吗？",
    ),
}
_WHICH: Ways = {
    "en": (
        "Which of these can you see: {choices}?",
        "Which of these is there: {choices}?",
        "What is in the picture: {choices}?",
    ),
    "zh": ("图中有下面哪一样：{choices}？", "你能看到哪一样：{choices}？", "图里有什么：{choices}？"),
}
_SEEN: Ways = {
    "en": ("Which of these can you see?", "Which of these is there?", "What is in the picture?"),
    "zh": ("图中有下面哪一样？", "你能看到哪一样？", "图里有什么？"),
}
_MOST_CHOICES = 3
_CHOSEN = 0.6  # of the choices that a coin does not make anyway: a fifth has none
_HOW_MANY: Ways = {
    "en": (
        "How many {names} are there?",
        "How many {names} are in the picture?",
        "How many {names} can you see?",
        "How many {names} are there in the image?",
    ),
    "zh": ("图中有{how_many}？", "图里一共有{how_many}？", "画面中有{how_many}？", "你能看到{how_many}？"),
}
_HOW_MANY_ANIMALS: Ways = {
    "en": ("How many animals are there?", "How many animals are in the picture?", "How many animals can you see?"),
    "zh": ("图中有几只动物？", "图里一共有几只动物？", "画面中有几只动物？"),
}
_HOW_MANY_ON: Ways = {
    "en": ("How many things are on {the}?", "How many things are standing on {the}?"),
    "zh": ("{the}上有几样东西？", "{the}上一共放着几样东西？"),
}
_WHERE: Ways = {
    "en": (
        "Where is this?",
        "What place does the picture show?",
        "Where was this picture taken?",
        "What place is this?",
    ),
    "zh": ("这是什么地方？", "图中是什么地方？", "这张图是在哪里？", "这是在哪里？"),
}
_IS_PLACE: Ways = {
    "en": ("Is this {place}?", "Does the picture show a scene {place}?"),
    "zh": ("这是{place}吗？", "图中的场景是{place}吗？"),
}
_WHEN: Ways = {
    "en": ("Is it day or night?", "What time of day is it?", "Is it night or day in the picture?"),
    "zh": ("现在是白天还是晚上？", "图中是晚上还是白天？", "这是白天还是晚上？"),
}
_IS_TIME: Ways = {
    "en": ("Is it {time} in the picture?", "Was this picture taken at {time}?"),
    "zh": ("图中是{time}吗？", "现在是{time}吗？"),
}
_WEATHER: Ways = {
    "en": ("What is the weather like?", "How is the weather?", "What weather is it in the picture?"),
    "zh": ("天气怎么样？", "图中是什么天气？", "现在是什么天气？"),
}
_IS_WEATHER: Ways = {
    "en": ("Is it {weather} in the picture?", "Is the weather {weather}?"),
    "zh": ("图中是{weather}吗？", "现在是{weather}吗？"),
}


def ask_existence(sight: Sight, language: Language, rng: random.Random, yes: bool) -> Draft | None:
    """Is there ...? Yes of what is there, no of what could be or is there in another colour."""
    look = _present(sight, rng) if yes else _absent(sight, rng)
    if look is None:
        return None
    return is_there(sight, look, language, rng, yes)


def ask_described(sight: Sight, language: Language, rng: random.Random, yes: bool) -> Draft | None:
    """Is there a red dog? Where there are dogs: yes, or no since none is red."""
    for thing in sight.shuffled(rng):
        fields = _tellable(thing)
        look = _swapped(sight, thing, rng) if not yes else Look.at(thing, rng.choice(fields)) if fields else None
        if look is not None:
            return is_there(sight, look, language, rng, yes)
    return None


def is_there(sight: Sight, look: Look, language: Language, rng: random.Random, yes: bool) -> Draft:
    """Is there this? It must be known whether (`yes`) it is."""
    a, bare = language.a(look), language.several(look, None)
    question = say(language, rng, _IS_THERE, a=a, bare=bare)
    number = look.num_in(sight.scene)
    several = a if number == 1 else language.several(look, number)
    if language.code == "zh":
        told = f"有，图中有{several}。" if yes else f"没有，图中没有{bare}。"
    else:
        told = f"{'Yes' if yes else 'No'}, there {'is' if number == 1 else 'are'} {several} in the picture."
    return Draft(question, there_is(language, yes), told)


def ask_choice(sight: Sight, language: Language, rng: random.Random, yes: bool) -> Draft | None:
    """Which of these is there? Mostly one is; who finds it learns to find out whether a thing is there."""
    absent = sight.absent()
    there = sorted({thing.kind for thing in sight.seen})
    if len(absent) < _MOST_CHOICES or not there:
        return None
    kinds = rng.sample(absent, rng.randint(1, _MOST_CHOICES - 1))
    one_is = yes or rng.random() < _CHOSEN
    kinds = [rng.choice(there), *kinds] if one_is else [*kinds, rng.choice([k for k in absent if k not in kinds])]
    right = kinds[0]
    rng.shuffle(kinds)
    return which_is_there(kinds, right if one_is else None, language, rng)


def which_is_there(kinds: Sequence[str], right: str | None, language: Language, rng: random.Random) -> Draft:
    """Which of these kinds is there? `right` is, None: none."""
    if language.code == "en":
        named = [language.a(Look(kind)) for kind in kinds]
        choices = f"{', '.join(named[:-1])} or {named[-1]}"
        answer = language.name(right) if right else "none"
        told = f"There is {language.a(Look(right))} in the picture." if right else "There is none of these."
    else:
        names = [language.name(kind) for kind in kinds]
        choices = f"{'、'.join(names[:-1])}还是{names[-1]}"
        answer = language.name(right) if right else "都没有"
        told = f"图中有{language.several(Look(right), None)}。" if right else "这些图中都没有。"
    return Draft(say(language, rng, _WHICH, choices=choices), answer, told)


def ask_one_seen(sight: Sight, language: Language, rng: random.Random, _yes: bool) -> Draft | None:
    """Which of these can you see? To be asked with two options, of which one is there."""
    return _seen(sight, language, rng, 1)


def ask_seen(sight: Sight, language: Language, rng: random.Random, _yes: bool) -> Draft | None:
    """The same with two to four."""
    return _seen(sight, language, rng, _MOST_CHOICES)


def _seen(sight: Sight, language: Language, rng: random.Random, num_wrong: int) -> Draft | None:
    there, absent = sorted({thing.kind for thing in sight.seen}), sight.absent()
    if len(absent) < num_wrong or not there:
        return None
    right = rng.choice(there)
    told = which_is_there([right], right, language, rng).sentence
    wrong = tuple(language.name(kind) for kind in rng.sample(absent, num_wrong))
    return Draft(say(language, rng, _SEEN), language.name(right), told, wrong)


def ask_count(sight: Sight, language: Language, rng: random.Random, _yes: bool) -> Draft | None:
    """How many ... are there? One to five."""
    if rng.random() < _TOGETHER:
        draft = _animals_counted(sight, language, rng) or _on_table_counted(sight, language, rng)
        if draft is not None:
            return draft
    by_number: dict[int, list[Look]] = {}
    for kind in dict.fromkeys(thing.kind for thing in sight.seen):
        things = sight.scene.of_kind(kind)
        if not sight.all_seen(kind) or not _sure(sight, kind):
            continue
        by_number.setdefault(len(things), []).append(Look(kind))
        if len(things) > 1 and kind != "traffic light":
            for colour in dict.fromkeys(thing.colour for thing in things):
                look = Look(kind, colour)
                by_number.setdefault(look.num_in(sight.scene), []).append(look)
    numbers = [number for number in by_number if number <= MOST_COUNTED]
    if not numbers or (max(numbers) == 1 and rng.random() < _ONE_LEFT_OUT):
        return None
    # First how many, then of what: high numbers are rare, so they go first.
    number = rng.choices(numbers, weights=[1 + 3 * (n - 1) for n in numbers])[0]
    look = rng.choice(by_number[number])
    return _counted(language, rng, look, number)


def ask_count_none(sight: Sight, language: Language, rng: random.Random, _yes: bool) -> Draft | None:
    """How many ... are there, of what is not there."""
    looks = (_absent(sight, rng) for _ in range(4))
    # "How many dogs lying down are there?" nobody asks where there are none.
    look = next((look for look in looks if look is not None and look.action is None and look.state is None), None)
    return None if look is None else _counted(language, rng, look, 0)


def ask_place(sight: Sight, language: Language, rng: random.Random, yes: bool) -> Draft | None:
    """Where is this?"""
    words, place = language.words(), sight.scene.place
    phrase = language.place(place)
    told = f"the scene is {phrase}." if language.code == "en" else f"这是{phrase}。"
    others = [other for other in PLACES if other != place]
    if rng.random() < 0.25:
        asked = language.place(place if yes else rng.choice(others))
        question = say(language, rng, _IS_PLACE, place=asked)
        return Draft(question, yes_or_no(language, yes), confirmed(language, yes, told))
    return Draft(say(language, rng, _WHERE), words[place], capital(told), tuple(words[other] for other in others))


def ask_time(sight: Sight, language: Language, rng: random.Random, yes: bool) -> Draft | None:
    """Day or night? Only outdoors."""
    if sight.scene.inside:
        return None  # a thing may stand before the window
    words = language.words()
    time, other = words[sight.scene.time], words["night" if sight.scene.time == "day" else "day"]
    told = f"it is {time}." if language.code == "en" else f"现在是{time}。"
    if rng.random() < 0.4:
        asked = time if yes else other
        question = say(language, rng, _IS_TIME, time=asked).replace("at day", "by day")
        return Draft(question, yes_or_no(language, yes), confirmed(language, yes, told))
    return Draft(say(language, rng, _WHEN), time, capital(told), (other,))


def ask_weather(sight: Sight, language: Language, rng: random.Random, yes: bool) -> Draft | None:
    """What is the weather like? Only outdoors, and where one can tell."""
    scene = sight.scene
    if scene.weather is None or (scene.time == "night" and scene.weather in ("sunny", "cloudy")):
        return None  # in the dark one does not see the clouds
    words = language.words()
    weather, others = words[scene.weather], [words[other] for other in WEATHERS if other != scene.weather]
    told = f"it is {weather}." if language.code == "en" else f"现在是{weather}。"
    if rng.random() < 0.3:
        question = say(language, rng, _IS_WEATHER, weather=weather if yes else rng.choice(others))
        return Draft(question, yes_or_no(language, yes), confirmed(language, yes, told))
    return Draft(say(language, rng, _WEATHER), weather, capital(told), tuple(others))


def _present(sight: Sight, rng: random.Random) -> Look | None:
    if not sight.seen:
        return None
    thing = rng.choice(sight.seen)
    fields = _tellable(thing)
    if not fields or rng.random() < 0.6:
        return Look(thing.kind)
    return Look.at(thing, rng.choice(fields))


def _absent(sight: Sight, rng: random.Random) -> Look | None:
    """What is not there: mostly a kind that would go with the place, or a thing that is there in another colour."""
    scene = sight.scene
    if rng.random() < 0.4:
        for thing in sight.shuffled(rng):
            look = _swapped(sight, thing, rng)
            if look is not None:
                return look
    absent = sight.absent()
    fitting = [kind for kind in absent if scene.place in BY_NAME[kind].places]
    if not fitting or rng.random() < 0.25:
        fitting = absent
    return Look(rng.choice(fitting)) if fitting else None


def _swapped(sight: Sight, thing: Thing, rng: random.Random) -> Look | None:
    """A thing of this kind as there is none: in another colour, mostly one that is seen on something else."""
    scene, fields = sight.scene, _tellable(thing)
    if not fields or not _sure(sight, thing.kind):
        return None
    field = rng.choice(fields)
    kind = thing.about
    possible = {"colour": kind.colours, "action": kind.actions, "state": kind.states}[field]
    looks = [Look(kind.name, **{field: value}) for value in possible]
    looks = [look for look in looks if look.num_in(scene) == 0]
    if field == "colour":
        there = {other.colour for other in scene.things}
        near = [look for look in looks if look.colour in there]
        looks = near if near and rng.random() < 0.7 else looks
    return rng.choice(looks) if looks else None


def _tellable(thing: Thing) -> list[str]:
    """By what a question whether there is one may tell it more closely; colours twice, as the commonest."""
    kind = thing.about
    fields = ["colour", "colour"] if len(kind.colours) > 1 else []
    if thing.action is not None:
        fields.append("action")
    if thing.state is not None and thing.kind in ("umbrella", "lamp", "traffic light", "book"):
        fields.append("state")
    return fields


def _sure(sight: Sight, kind: str) -> bool:
    """Whether nobody would count something else as one: far houses, a stop sign for a sign."""
    there = {thing.kind for thing in sight.scene.things}
    if kind == "house":
        return sight.scene.place != "street"  # there are always some far away
    return not ({"sign", "stop sign"} <= there and kind in ("sign", "stop sign"))


def _animals_counted(sight: Sight, language: Language, rng: random.Random) -> Draft | None:
    animals = [thing for thing in sight.scene.things if thing.about.supercategory == "animal"]
    number = len(animals)
    if not 2 <= number <= MOST_COUNTED or any(animal not in sight.seen for animal in animals):
        return None
    counted = language.number(number)
    told = f"There are {counted} animals." if language.code == "en" else f"图中有{_two(counted)}只动物。"
    return Draft(say(language, rng, _HOW_MANY_ANIMALS), str(number), told, _other_numbers(number))


def _on_table_counted(sight: Sight, language: Language, rng: random.Random) -> Draft | None:
    for table in sight.shuffled(rng):
        on = [thing for thing in sight.scene.things if thing.on == table.number]
        number = len(on)
        look = sight.only(table, rng) if 2 <= number <= MOST_COUNTED else None
        if look is None or any(thing not in sight.seen for thing in on):
            continue
        the, counted = the_one(language, look), language.number(number)
        told = f"There are {counted} things on {the}." if language.code == "en" else f"{the}上有{_two(counted)}样东西。"
        return Draft(say(language, rng, _HOW_MANY_ON, the=the), str(number), told, _other_numbers(number))
    return None


def _two(counted: str) -> str:
    return "两" if counted == "二" else counted


def _other_numbers(number: int) -> tuple[str, ...]:
    return tuple(str(n) for n in range(1, MOST_COUNTED + 1) if n != number)


def _counted(language: Language, rng: random.Random, look: Look, number: int) -> Draft:
    counted = language.several(look, number)
    if language.code == "zh":
        # The measure word is the one of 三: 三只狗, 几只狗.
        how_many = f"几{language.several(look, 3).removeprefix(language.number(3))}"
        question = say(language, rng, _HOW_MANY, how_many=how_many)
        told = f"图中有{counted}。" if number else f"图中没有{language.several(look, None)}。"
    else:
        question = say(language, rng, _HOW_MANY, names=language.several(look, None))
        told = f"There {'is' if number == 1 else 'are'} {counted} in the picture."
    return Draft(question, str(number), told, _other_numbers(number))
